"""TensorProto to NumPy and back: whatever TensorFlow refuses to parse is refused, and the usual forms take a short way.

Values arrive in `tensor_content` or in the type's own field, whose last value stands for all that follow; answers go out in the
type's own field, as `Tensor::AsProtoField` of TensorFlow writes them. Strings are object arrays of bytes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow.core.framework.tensor_shape_pb2 import TensorShapeProto
from tensorflow.core.protobuf.meta_graph_pb2 import TensorInfo

from serving.server.errors import invalid

MAX_ELEMENTS = 1 << 24
MAX_REPEATED_BYTES = 4 << 20
REFERENCE_BYTES = 8
VALUE_FIELDS = {
    types_pb2.DT_FLOAT: "float_val",
    types_pb2.DT_DOUBLE: "double_val",
    types_pb2.DT_INT32: "int_val",
    types_pb2.DT_INT64: "int64_val",
    types_pb2.DT_BOOL: "bool_val",
    types_pb2.DT_UINT32: "uint32_val",
    types_pb2.DT_UINT64: "uint64_val",
    types_pb2.DT_STRING: "string_val",
    types_pb2.DT_INT8: "int_val",
    types_pb2.DT_INT16: "int_val",
    types_pb2.DT_UINT8: "int_val",
    types_pb2.DT_UINT16: "int_val",
}
RAW_TYPES: dict[int, np.dtype[Any]] = {
    types_pb2.DT_FLOAT: np.dtype(np.float32),
    types_pb2.DT_DOUBLE: np.dtype(np.float64),
    types_pb2.DT_INT32: np.dtype(np.int32),
    types_pb2.DT_INT64: np.dtype(np.int64),
    types_pb2.DT_UINT8: np.dtype(np.uint8),
}
LISTED_TYPES = {
    types_pb2.DT_BOOL: np.dtype(np.bool_),
    **{dtype: kind for dtype, kind in RAW_TYPES.items() if dtype != types_pb2.DT_UINT8},
}


@dataclass(frozen=True)
class Spec:
    """What a signature declares of one input or output: type, and sizes (None: any), or no sizes where the rank is unknown."""

    dtype: int
    sizes: tuple[int | None, ...] | None

    @property
    def has_rows(self) -> bool:
        """Whether the first dimension may be of any size, so that rows of several requests fit into one tensor."""
        return bool(self.sizes) and self.sizes[0] is None  # type: ignore[index]


def read_spec(info: TensorInfo) -> Spec:
    """The spec of a signature's tensor."""
    if info.tensor_shape.unknown_rank:
        return Spec(info.dtype, None)
    return Spec(info.dtype, tuple(None if dim.size < 0 else dim.size for dim in info.tensor_shape.dim))


def read_tensor(alias: str, position: int, proto: TensorProto, spec: Spec) -> np.ndarray:
    """The values of input `alias`, the `position`-th by name.

    Raises:
        RequestError: another type or shape than declared, or no valid tensor.
    """
    if proto.dtype != spec.dtype:
        raise invalid(f"Expects arg[{position}] to be {type_name(spec.dtype)} but {type_name(proto.dtype)} is provided")
    sizes = [dim.size for dim in proto.tensor_shape.dim]
    count = math.prod(sizes)
    # A tensor may give one value for all its elements, so a short message can ask for any amount of memory.
    if min(sizes, default=0) < 0 or count > MAX_ELEMENTS or max(sizes, default=0) > MAX_ELEMENTS:
        raise invalid(f"input {alias}: expected at most {MAX_ELEMENTS} elements, received shape {sizes}")
    if not _fits(sizes, spec.sizes):
        raise invalid(f"input {alias}: expected shape {tf.TensorShape(spec.sizes)}, received {sizes}")
    values = None if proto.tensor_shape.unknown_rank else _values(alias, proto, count)
    try:
        if values is None:
            values = array_of(tf.io.parse_tensor(proto.SerializeToString(), tf.dtypes.as_dtype(spec.dtype)))
        return values.reshape(sizes)
    except (tf.errors.OpError, ValueError, NotImplementedError):
        raise invalid(f"tensor parsing error: {alias}") from None


def write_tensor(values: np.ndarray, dtype: int) -> TensorProto:
    """The message of an array of TensorFlow's type `dtype`."""
    if dtype not in VALUE_FIELDS:
        return tf.make_tensor_proto(values)
    proto = TensorProto(dtype=dtype, tensor_shape=_shape(values.shape))
    getattr(proto, VALUE_FIELDS[dtype]).extend(values.ravel().tolist())
    return proto


def array_of(tensor: tf.Tensor) -> np.ndarray:
    """An eager tensor's values; a single one is an array too."""
    return np.asarray(tensor.numpy(), object if tensor.dtype == tf.string else None)


def size_bytes(values: np.ndarray) -> int:
    """Roughly the memory that an array takes, its strings included."""
    return values.nbytes + sum(map(len, values.flat)) if values.dtype == object else values.nbytes


def type_name(dtype: int) -> str:
    """TensorFlow's name of a type, "invalid" for a number that is none."""
    try:
        return tf.dtypes.as_dtype(dtype).name
    except TypeError:
        return "invalid"


def _fits(sizes: Sequence[int], declared: tuple[int | None, ...] | None) -> bool:
    if declared is None:
        return True
    return len(sizes) == len(declared) and all(want is None or want == size for size, want in zip(sizes, declared, strict=True))


def _values(alias: str, proto: TensorProto, count: int) -> np.ndarray | None:
    """The values in a usual form, or None: then TensorFlow itself must look at the message."""
    content = proto.tensor_content
    if proto.dtype == types_pb2.DT_STRING and not content:
        return _strings(alias, proto.string_val, count)
    if content:
        kind = RAW_TYPES.get(proto.dtype)
        return np.frombuffer(content, kind) if kind and len(content) == count * kind.itemsize else None
    kind = LISTED_TYPES.get(proto.dtype)
    if kind is None:
        return None
    field = getattr(proto, VALUE_FIELDS[proto.dtype])
    return np.fromiter(field, kind, count) if len(field) == count else None


def _strings(alias: str, given: Sequence[bytes], count: int) -> np.ndarray:
    last = given[-1] if given else b""
    if (len(last) + REFERENCE_BYTES) * (count - len(given)) > MAX_REPEATED_BYTES:
        raise invalid(f"input {alias}: expected {count} values, received {len(given)}")
    values = np.full(count, last, object)
    values[: len(given)] = given[:count]
    return values


@lru_cache(maxsize=1024)
def _shape(sizes: tuple[int, ...]) -> TensorShapeProto:
    return TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in sizes])
