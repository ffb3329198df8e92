import numpy as np
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.common.example import BOX_FEATURES, encode

SIZE = st.integers(1, 2**31 - 1)


@given(
    jpeg=st.binary(max_size=400),
    file=st.text(max_size=50),
    label=st.integers(0, 2**63 - 1),
    name=st.text(max_size=200),
    box=st.lists(st.floats(0, 2**31, width=32), min_size=4, max_size=4),
    width=SIZE,
    height=SIZE,
)
def test_bytes_are_those_that_tensorflow_writes(
    jpeg: bytes, file: str, label: int, name: str, box: list[float], width: int, height: int
) -> None:
    edges = np.asarray(box, np.float32)
    values: dict[str, tf.train.Feature] = {
        "image/encoded": tf.train.Feature(bytes_list=tf.train.BytesList(value=[jpeg])),
        "image/filename": tf.train.Feature(bytes_list=tf.train.BytesList(value=[file.encode()])),
        "image/height": tf.train.Feature(int64_list=tf.train.Int64List(value=[height])),
        "image/width": tf.train.Feature(int64_list=tf.train.Int64List(value=[width])),
        "image/class/label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
        "image/class/text": tf.train.Feature(bytes_list=tf.train.BytesList(value=[name.encode()])),
    }
    for feature, edge, size in zip(BOX_FEATURES, edges, (width, height, width, height), strict=True):
        values[feature] = tf.train.Feature(float_list=tf.train.FloatList(value=[edge / size]))
    expected = tf.train.Example(features=tf.train.Features(feature=values)).SerializeToString(deterministic=True)
    assert encode(jpeg, file, label, name, edges, width, height) == expected
