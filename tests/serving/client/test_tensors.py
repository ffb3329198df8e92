"""Tensors without TensorFlow against TensorFlow's own `make_tensor_proto` and `make_ndarray`, in every form they may have."""

import contextlib

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from tensorflow.core.framework import tensor_pb2

from serving.client.messages.tf_serving_pb2 import DataType, TensorProto
from serving.client.tensors import LISTED, MAX_ELEMENTS, TYPES, of_strings, to_array

SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
NUMBERS = st.sampled_from([np.dtype(name) for name, _ in TYPES.values()])
ARRAYS = NUMBERS.flatmap(lambda dtype: hnp.arrays(dtype, SHAPES))


def theirs(proto: TensorProto) -> NDArray[np.generic]:
    return tf.make_ndarray(tensor_pb2.TensorProto.FromString(proto.SerializeToString()))


def mine(proto: object) -> NDArray[np.generic]:
    return to_array(TensorProto.FromString(proto.SerializeToString()))  # type: ignore[attr-defined]


def same(one: NDArray[np.generic], other: NDArray[np.generic]) -> None:
    assert (one.shape, one.dtype) == (other.shape, other.dtype)
    # Bits, so that NaN equals NaN and -0 differs from 0.
    assert one.tolist() == other.tolist() if one.dtype == object else one.tobytes() == other.tobytes()


@given(ARRAYS)
def test_numbers(array: NDArray[np.generic]) -> None:
    same(mine(tf.make_tensor_proto(array)), array)


@given(st.lists(st.binary(max_size=5)))
def test_strings_both_ways(values: list[bytes]) -> None:
    proto = of_strings(values)
    assert proto.SerializeToString() == tf.make_tensor_proto(values, tf.string, shape=[len(values)]).SerializeToString()
    same(mine(tf.make_tensor_proto(values, tf.string, shape=[len(values)])), np.array(values, object))
    assert theirs(proto).tolist() == values


@given(st.data(), SHAPES)
def test_the_last_value_repeats(data: st.DataObject, shape: tuple[int, ...]) -> None:
    count = int(np.prod(shape))
    dtype = data.draw(st.sampled_from(list(TYPES)))
    name, field = TYPES[dtype]
    pairs = 2 if field in ("scomplex_val", "dcomplex_val") else 1
    number = data.draw(st.integers(0, count)) * pairs
    values = data.draw(hnp.arrays(LISTED.get(field, name), number, elements={"allow_nan": False} if "complex" in name else None))
    proto = TensorProto(dtype=dtype, **{field: values.tolist()})
    for size in shape:
        proto.tensor_shape.dim.add(size=size)
    same(to_array(proto), theirs(proto))


@given(st.lists(st.binary(max_size=3), max_size=4), st.integers(0, 3))
def test_the_last_string_repeats(values: list[bytes], more: int) -> None:
    proto = TensorProto(dtype=DataType.DT_STRING, string_val=values)
    proto.tensor_shape.dim.add(size=len(values) + more)
    assert to_array(proto).tolist() == [*values, *[values[-1] if values else b""] * more]
    if values:
        assert theirs(proto).tolist() == to_array(proto).tolist()


def shaped(*sizes: int, **fields: object) -> TensorProto:
    proto = TensorProto(**fields)  # type: ignore[arg-type]
    for size in sizes:
        proto.tensor_shape.dim.add(size=size)
    return proto


@pytest.mark.parametrize(
    "proto",
    [
        shaped(2, dtype=DataType.DT_FLOAT, tensor_content=b"123"),
        shaped(2, dtype=DataType.DT_FLOAT, tensor_content=b"1234"),
        shaped(1, dtype=DataType.DT_FLOAT, float_val=[1, 2]),
        shaped(1, dtype=DataType.DT_STRING, string_val=[b"", b""]),
        shaped(1, dtype=DataType.DT_COMPLEX64, scomplex_val=[1]),
        shaped(-1, dtype=DataType.DT_FLOAT),
        shaped(MAX_ELEMENTS, 2, dtype=DataType.DT_STRING),
        shaped(0, 1 << 62, dtype=DataType.DT_FLOAT),
        shaped(1, dtype=14),
        shaped(1, dtype=999),
        TensorProto(dtype=DataType.DT_FLOAT, tensor_shape={"unknown_rank": True}),
    ],
)
def test_a_malformed_tensor_is_a_value_error(proto: TensorProto) -> None:
    with pytest.raises(ValueError, match="."):
        to_array(proto)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_tensor_or_a_value_error(data: bytes) -> None:
    with contextlib.suppress(DecodeError, ValueError):
        to_array(TensorProto.FromString(data))
