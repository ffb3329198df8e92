"""A photo as shard writes it: the bytes of a `tf.train.Example`, and the names of the files, without TensorFlow.

Written by hand, since ten fields of three kinds are less than TensorFlow in the image of the data steps. Field numbers are those of
tensorflow/core/example (feature.proto, example.proto) and https://protobuf.dev/programming-guides/encoding; equal input gives equal
bytes, those of `Example.SerializeToString(deterministic=True)`.
"""

import struct

from components.common import boxes

SCHEMA = "marque.records/2"
BOX_FEATURES = [f"image/object/bbox/{edge}" for edge in ("xmin", "ymin", "xmax", "ymax")]
_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3


def encode(jpeg: bytes, file: str, label: int, class_name: str, box: boxes.Boxes, width: int, height: int) -> bytes:
    """One serialized Example; `box` is in pixels of the photo."""
    features = {
        "image/encoded": _feature(_BYTES_LIST, jpeg),
        "image/filename": _feature(_BYTES_LIST, file.encode()),
        "image/height": _feature(_INT64_LIST, _varint(height)),
        "image/width": _feature(_INT64_LIST, _varint(width)),
        "image/class/label": _feature(_INT64_LIST, _varint(label)),
        "image/class/text": _feature(_BYTES_LIST, class_name.encode()),
    }
    for name, edge, size in zip(BOX_FEATURES, box, (width, height, width, height), strict=True):
        features[name] = _feature(_FLOAT_LIST, struct.pack("<f", edge / size))
    entries = (_field(1, _field(1, name.encode()) + _field(2, features[name])) for name in sorted(features))
    return _field(1, b"".join(entries))


def shard_name(split: str, index: int, count: int) -> str:
    """`train-00003-of-00008.tfrecord`."""
    return f"{split}-{index:05d}-of-{count:05d}.tfrecord"


def _feature(kind: int, value: bytes) -> bytes:
    """A Feature that holds one value; numbers are a packed list, which looks the same as one of bytes."""
    return _field(kind, _field(1, value))


def _field(number: int, payload: bytes) -> bytes:
    return bytes((number << 3 | 2,)) + _varint(len(payload)) + payload


def _varint(value: int) -> bytes:
    value = int(value)
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    digits.append(value)
    return bytes(digits)
