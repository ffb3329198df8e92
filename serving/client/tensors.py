"""TensorProto <-> NumPy without TensorFlow, as `tf.make_tensor_proto` and `tf.make_ndarray` do it.

A tensor holds its elements either as `tensor_content`, little-endian and row by row, or in the list of its type, whose last value
stands for all that follow (tensorflow/core/framework/tensor.proto).
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.client.messages.tf_serving_pb2 import DataType, TensorProto

MAX_ELEMENTS = 1 << 26
# Type -> NumPy's name of it and the list for its values; the lists of half and complex hold bits and pairs of parts.
TYPES = {
    DataType.DT_HALF: ("float16", "half_val"),
    DataType.DT_FLOAT: ("float32", "float_val"),
    DataType.DT_DOUBLE: ("float64", "double_val"),
    DataType.DT_INT8: ("int8", "int_val"),
    DataType.DT_INT16: ("int16", "int_val"),
    DataType.DT_INT32: ("int32", "int_val"),
    DataType.DT_INT64: ("int64", "int64_val"),
    DataType.DT_UINT8: ("uint8", "int_val"),
    DataType.DT_UINT16: ("uint16", "int_val"),
    DataType.DT_UINT32: ("uint32", "uint32_val"),
    DataType.DT_UINT64: ("uint64", "uint64_val"),
    DataType.DT_BOOL: ("bool", "bool_val"),
    DataType.DT_COMPLEX64: ("complex64", "scomplex_val"),
    DataType.DT_COMPLEX128: ("complex128", "dcomplex_val"),
}
LISTED = {"half_val": "uint16", "scomplex_val": "float32", "dcomplex_val": "float64"}


def of_strings(values: Sequence[bytes]) -> TensorProto:
    """A tensor of strings `(n,)`."""
    proto = TensorProto(dtype=DataType.DT_STRING, string_val=values)
    proto.tensor_shape.dim.add(size=len(values))
    return proto


def to_array(proto: TensorProto) -> NDArray[Any]:
    """The elements as an array of the tensor's shape; of dtype object, holding bytes, for strings.

    Raises:
        ValueError: an unknown type, a shape that is not known or larger than `MAX_ELEMENTS`, or elements that do not fit it.
    """
    shape = [dim.size for dim in proto.tensor_shape.dim]
    count = math.prod(shape)
    if proto.tensor_shape.unknown_rank or min(shape, default=0) < 0 or count > MAX_ELEMENTS:
        raise ValueError(f"expected a known shape of at most {MAX_ELEMENTS} elements, received {shape}")
    if proto.dtype == DataType.DT_STRING:
        return _repeated(np.array(list(proto.string_val), object), count, b"").reshape(shape)
    if proto.dtype not in TYPES:
        raise ValueError(f"expected a tensor of strings or numbers, received type {proto.dtype}")
    name, field = TYPES[proto.dtype]
    if proto.tensor_content:
        return np.frombuffer(proto.tensor_content, np.dtype(name).newbyteorder("<")).astype(name).reshape(shape)
    values = np.array(getattr(proto, field), LISTED.get(field, name)).view(name)
    return _repeated(values, count, 0).reshape(shape)


def _repeated(values: NDArray[Any], count: int, empty: object) -> NDArray[Any]:
    """`values` (n,) followed by the last of them (by `empty` where there is none) until there are `count`."""
    filled = np.full(max(count, len(values)), values[-1] if len(values) else empty, values.dtype)
    filled[: len(values)] = values
    return filled
