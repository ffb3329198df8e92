"""One loaded SavedModel, run as TF Serving runs it: the same checks, status codes and messages.

The texts follow TF Serving's `predict_util.cc` and the status codes that TensorFlow's kernels give.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import grpc
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from components.common.errors import UserError

DEFAULT_SIGNATURE = "serving_default"
MAX_ELEMENTS = 1 << 24
STATUS_CODES = {code.value[0]: code for code in grpc.StatusCode}


class RequestError(Exception):
    """A request that is refused: a gRPC status code and the message that goes with it."""

    def __init__(self, code: grpc.StatusCode, message: str):
        super().__init__(message)
        self.code = code


class Servable:
    """Version `version` of model `name`; `signatures` is what its SavedModel declares, by name."""

    def __init__(self, name: str, version: int, folder: Path):
        """Loads the SavedModel in `folder`.

        Raises:
            UserError: it cannot be read as a SavedModel for serving.
        """
        self.name = name
        self.version = version
        try:
            # Kept, because its functions hold only weak references to its variables.
            self._loaded = tf.saved_model.load(str(folder), tags=["serve"])
        # A truncated variables file is an IndexError.
        except (OSError, RuntimeError, ValueError, LookupError, tf.errors.OpError) as error:
            raise UserError(f"{folder}: expected a SavedModel that loads: {error}; export and deploy it again") from None
        self.signatures = _read_signatures(folder)

    def run(self, signature_name: str, inputs: Mapping[str, TensorProto], output_filter: Sequence[str]) -> dict[str, TensorProto]:
        """Runs one signature on `inputs` and returns its outputs, or those named in `output_filter`.

        Raises:
            RequestError: no such signature, input or output; a tensor of another type or shape; or the model refused the values.
        """
        name = signature_name or DEFAULT_SIGNATURE
        if name not in self._loaded.signatures:
            raise RequestError(grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
        signature = self.signatures[name]
        _check_names(signature, inputs)
        wanted = _wanted_outputs(signature, output_filter)
        try:
            tensors = {alias: _tensor(alias, proto, signature) for alias, proto in inputs.items()}
            outputs = self._loaded.signatures[name](**tensors)
        except tf.errors.OpError as error:
            raise RequestError(STATUS_CODES[error.error_code], _kernel_message(error)) from None
        return {alias: tf.make_tensor_proto(outputs[alias].numpy(), outputs[alias].dtype) for alias in wanted}


def _read_signatures(folder: Path) -> dict[str, SignatureDef]:
    saved_model = SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    return next(dict(graph.signature_def) for graph in saved_model.meta_graphs if "serve" in graph.meta_info_def.tags)


def _check_names(signature: SignatureDef, inputs: Mapping[str, TensorProto]) -> None:
    sent, declared = set(inputs), set(signature.inputs)
    if sent != declared:
        raise _invalid(
            f"input size does not match signature: {len(sent)}!={len(declared)} len({_braced(sent)}) != len({_braced(declared)}). "
            f"Sent extra: {_braced(sent - declared)}. Missing but required: {_braced(declared - sent)}."
        )


def _wanted_outputs(signature: SignatureDef, output_filter: Sequence[str]) -> list[str]:
    for alias in output_filter:
        if alias not in signature.outputs:
            expected = _braced(signature.outputs)
            raise _invalid(f"output tensor alias not found in signature: {alias} Outputs expected to be in the set {expected}.")
        if output_filter.count(alias) > 1:
            raise _invalid(f"duplicate output tensor alias: {alias}")
    return list(output_filter) or sorted(signature.outputs)


def _tensor(alias: str, proto: TensorProto, signature: SignatureDef) -> tf.Tensor:
    declared = signature.inputs[alias]
    expected_type, received_type = tf.dtypes.as_dtype(declared.dtype).name, _type_name(proto.dtype)
    if proto.dtype != declared.dtype:
        position = sorted(signature.inputs).index(alias)
        raise _invalid(f"Expects arg[{position}] to be {expected_type} but {received_type} is provided")
    sizes = [dim.size for dim in proto.tensor_shape.dim]
    # A tensor may give one value for all its elements, so a short message can ask for any amount of memory.
    if min(sizes, default=0) < 0 or math.prod(sizes) > MAX_ELEMENTS:
        raise _invalid(f"input {alias}: expected at most {MAX_ELEMENTS} elements, received shape {sizes}")
    if not tf.TensorShape(declared.tensor_shape).is_compatible_with(sizes):
        raise _invalid(f"input {alias}: expected shape {tf.TensorShape(declared.tensor_shape)}, received {sizes}")
    try:
        return tf.io.parse_tensor(proto.SerializeToString(), tf.dtypes.as_dtype(declared.dtype))
    except tf.errors.InvalidArgumentError:
        raise _invalid(f"tensor parsing error: {alias}") from None


def _type_name(dtype: int) -> str:
    try:
        return tf.dtypes.as_dtype(dtype).name
    except TypeError:
        return "invalid"


def _kernel_message(error: tf.errors.OpError) -> str:
    """What the kernel said, without the Python call stack and the node names that TensorFlow wraps around it."""
    wrapping = ("Graph execution", "Detected at", "<stack", "\t [[")
    lines = [line.split(" [Op:")[0] for line in error.message.splitlines() if not line.startswith(wrapping)]
    return " ".join(" ".join(lines).split())


def _braced(names: Iterable[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"


def _invalid(message: str) -> RequestError:
    return RequestError(grpc.StatusCode.INVALID_ARGUMENT, message)
