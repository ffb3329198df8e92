"""One loaded SavedModel, run as TF Serving runs it: the same checks, status codes and messages.

The texts follow TF Serving's `predict_util.cc` and the status codes that TensorFlow's kernels give.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from components.common.errors import UserError
from components.common.repository import GRAPH
from serving.server.errors import STATUS_CODES, RequestError, invalid
from serving.server.tensors import Spec, array_of, read_spec, read_tensor

DEFAULT_SIGNATURE = "serving_default"
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Signature:
    """One signature of a SavedModel."""

    name: str
    method_name: str
    inputs: Mapping[str, Spec]
    outputs: Mapping[str, Spec]

    @property
    def has_rows(self) -> bool:
        """Whether rows of several requests may go through it together."""
        specs = [*self.inputs.values(), *self.outputs.values()]
        return bool(self.inputs) and all(spec.has_rows for spec in specs)

    def read(self, inputs: Mapping[str, TensorProto]) -> Arrays:
        """The inputs of a request.

        Raises:
            RequestError: other names than declared, or a tensor that does not fit.
        """
        sent, declared = set(inputs), set(self.inputs)
        if sent != declared:
            raise invalid(
                f"input size does not match signature: {len(sent)}!={len(declared)} "
                f"len({_braced(sent)}) != len({_braced(declared)}). "
                f"Sent extra: {_braced(sent - declared)}. Missing but required: {_braced(declared - sent)}."
            )
        return {name: read_tensor(name, number, inputs[name], self.inputs[name]) for number, name in enumerate(sorted(declared))}

    def wanted(self, output_filter: Sequence[str]) -> list[str]:
        """The outputs to answer with: those of the filter, or all.

        Raises:
            RequestError: a name that is no output, or one twice.
        """
        for number, alias in enumerate(output_filter):
            if alias not in self.outputs:
                expected = _braced(self.outputs)
                raise invalid(f"output tensor alias not found in signature: {alias} Outputs expected to be in the set {expected}.")
            if alias in output_filter[:number]:
                raise invalid(f"duplicate output tensor alias: {alias}")
        return list(output_filter) or sorted(self.outputs)


class Servable:
    """Version `version` of model `name`; `definitions` is what its SavedModel declares, `signatures` what can be run, by name."""

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
        self.definitions = _definitions(folder)
        self.signatures = {name: _signature(name, self.definitions[name]) for name in self._loaded.signatures}

    def run(self, signature: Signature, inputs: Arrays) -> Arrays:
        """Runs one signature; blocks, and may be called from several threads.

        Raises:
            RequestError: the model refused the values.
        """
        function = self._loaded.signatures[signature.name]
        try:
            tensors = {
                alias: tf.constant(values, tf.dtypes.as_dtype(signature.inputs[alias].dtype)) for alias, values in inputs.items()
            }
            return {alias: array_of(tensor) for alias, tensor in function(**tensors).items()}
        except tf.errors.OpError as error:
            raise RequestError(STATUS_CODES[error.error_code], _kernel_message(error)) from None


def _definitions(folder: Path) -> dict[str, SignatureDef]:
    saved_model = SavedModel.FromString((folder / GRAPH).read_bytes())
    return next(dict(graph.signature_def) for graph in saved_model.meta_graphs if "serve" in graph.meta_info_def.tags)


def _signature(name: str, definition: SignatureDef) -> Signature:
    return Signature(
        name,
        definition.method_name,
        {alias: read_spec(info) for alias, info in definition.inputs.items()},
        {alias: read_spec(info) for alias, info in definition.outputs.items()},
    )


def _kernel_message(error: tf.errors.OpError) -> str:
    """What the kernel said, without the Python call stack and the node names that TensorFlow wraps around it."""
    wrapping = ("Graph execution", "Detected at", "<stack", "\t [[")
    lines = [line.split(" [Op:")[0] for line in error.message.splitlines() if not line.startswith(wrapping)]
    return " ".join(" ".join(lines).split())


def _braced(names: Iterable[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"
