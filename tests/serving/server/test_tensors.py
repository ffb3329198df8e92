"""Tensors as TensorFlow itself reads and writes them."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.core.framework import types_pb2
from tensorflow.core.framework.tensor_pb2 import TensorProto

from serving.server.errors import RequestError
from serving.server.tensors import MAX_ELEMENTS, Spec, read_tensor, write_tensor

TYPES = [tf.float32, tf.float64, tf.int32, tf.int64, tf.bool, tf.string, tf.uint8, tf.int8, tf.float16, tf.bfloat16, tf.complex64]
FIELDS = {
    "float_val": st.floats(width=32),
    "double_val": st.floats(),
    "int_val": st.integers(-(1 << 31), (1 << 31) - 1),
    "int64_val": st.integers(-(1 << 63), (1 << 63) - 1),
    "bool_val": st.booleans(),
    "string_val": st.binary(max_size=4),
    "half_val": st.integers(0, 65535),
    "scomplex_val": st.floats(width=32),
}


@st.composite
def protos(draw: st.DrawFn) -> TensorProto:
    """Tensors that are right, and such that are not."""
    dtype = draw(st.sampled_from(TYPES))
    proto = TensorProto(dtype=dtype.as_datatype_enum)
    for size in draw(st.lists(st.integers(0, 3), max_size=3)):
        proto.tensor_shape.dim.add(size=size)
    proto.tensor_shape.unknown_rank = draw(st.integers(0, 9)) == 0
    proto.tensor_content = draw(st.binary(max_size=48) | st.just(b"") | st.sampled_from([bytes(4), bytes(8), bytes(24)]))
    for name in draw(st.lists(st.sampled_from(list(FIELDS)), max_size=2)):
        getattr(proto, name).extend(draw(st.lists(FIELDS[name], max_size=6)))
    return proto


def same(ours: np.ndarray, theirs: np.ndarray) -> bool:
    if ours.dtype == object:
        return ours.shape == theirs.shape and ours.ravel().tolist() == theirs.ravel().tolist()
    return (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape) and ours.tobytes() == theirs.tobytes()


@settings(max_examples=600)
@given(protos())
def test_what_tensorflow_parses_is_read_alike_and_the_rest_is_refused(proto: TensorProto) -> None:
    try:
        theirs = tf.io.parse_tensor(proto.SerializeToString(), tf.dtypes.as_dtype(proto.dtype)).numpy()
    except tf.errors.OpError:
        theirs = None
    spec = Spec(proto.dtype, None)
    if theirs is None:
        with pytest.raises(RequestError, match="tensor parsing error: x"):
            read_tensor("x", 0, proto, spec)
        return
    expected = np.asarray(theirs, object) if proto.dtype == types_pb2.DT_STRING else np.asarray(theirs)
    assert same(read_tensor("x", 0, proto, spec), expected)


@pytest.mark.parametrize("dtype", [*TYPES, tf.uint16, tf.int16, tf.uint32, tf.uint64, tf.qint8], ids=lambda dtype: dtype.name)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (3,), (2, 3)])
def test_what_is_written_tensorflow_reads(dtype: tf.DType, shape: tuple[int, ...]) -> None:
    count = int(np.prod(shape))
    if dtype == tf.string:
        values = np.empty(count, object)
        values[:] = [b"\0a\xff"[: number % 4] for number in range(count)]
        values = values.reshape(shape)
    else:
        values = np.arange(count).reshape(shape).astype(dtype.as_numpy_dtype)
    proto = write_tensor(values, dtype.as_datatype_enum)
    assert proto.dtype == dtype.as_datatype_enum
    assert same(np.asarray(tf.make_ndarray(proto), values.dtype), values)


def test_floats_and_strings_go_out_in_fields_of_their_own() -> None:
    assert list(write_tensor(np.ones(3, np.float32), types_pb2.DT_FLOAT).float_val) == [1.0, 1.0, 1.0]
    assert write_tensor(np.ones(3, np.float32), types_pb2.DT_FLOAT).tensor_content == b""


@pytest.mark.parametrize(
    ("sizes", "given", "message"),
    [
        ([1 << 40], [b"-"], f"expected at most {MAX_ELEMENTS} elements"),
        ([-1], [b"-"], f"expected at most {MAX_ELEMENTS} elements"),
        ([0, 1 << 40], [], f"expected at most {MAX_ELEMENTS} elements"),
        ([0] + [1 << 24] * 6, [], "tensor parsing error: x"),
        ([1 << 23], [bytes(1000)], f"expected {1 << 23} values, received 1"),
        ([1 << 20], [], f"expected {1 << 20} values, received 0"),
    ],
)
def test_a_short_message_cannot_ask_for_any_amount_of_memory(sizes: list[int], given: list[bytes], message: str) -> None:
    proto = TensorProto(dtype=types_pb2.DT_STRING, string_val=given)
    for size in sizes:
        proto.tensor_shape.dim.add(size=size)
    with pytest.raises(RequestError, match=message):
        read_tensor("x", 0, proto, Spec(types_pb2.DT_STRING, None))


@pytest.mark.parametrize(
    ("declared", "received", "fits"),
    [
        ((None,), (3,), True),
        ((None, 2), (3, 2), True),
        ((None, 2), (3, 3), False),
        ((), (1,), False),
        ((), (), True),
        (None, (1, 2), True),
    ],
)
def test_shapes(declared: tuple[int | None, ...] | None, received: tuple[int, ...], fits: bool) -> None:
    proto = tf.make_tensor_proto(np.zeros(received, np.float32))
    if fits:
        assert read_tensor("x", 0, proto, Spec(types_pb2.DT_FLOAT, declared)).shape == received
    else:
        with pytest.raises(RequestError, match="input x: expected shape"):
            read_tensor("x", 0, proto, Spec(types_pb2.DT_FLOAT, declared))
