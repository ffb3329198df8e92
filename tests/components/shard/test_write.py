"""What lies in a shard: Examples as TensorFlow builds them, framed as TensorFlow frames them, and the checksum of the whole."""

import base64
import json
from pathlib import Path

import google_crc32c
import numpy as np
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.common import boxes
from components.common.dataset import BOX_COLUMNS, SPLITS, open_dataset
from components.common.example import encode
from components.shard.plan import Shard
from components.shard.step import run
from components.shard.write import write_shard

PIXELS = st.integers(1, 50_000)
EDGES = st.lists(st.floats(0, 2**16, width=32), min_size=4, max_size=4)


@given(st.binary(max_size=300), st.text(max_size=9), st.integers(0, 2**31 - 1), st.text(max_size=9), EDGES, PIXELS, PIXELS)
def test_examples_are_those_built_message_by_message(
    jpeg: bytes, file: str, label: int, name: str, box: list[float], width: int, height: int
) -> None:
    edges = boxes.to_relative(box, width, height).tolist()
    expected = tf.train.Example()
    feature = expected.features.feature
    feature["image/encoded"].bytes_list.value.append(jpeg)
    feature["image/filename"].bytes_list.value.append(file.encode())
    feature["image/class/text"].bytes_list.value.append(name.encode())
    feature["image/class/label"].int64_list.value.append(label)
    feature["image/width"].int64_list.value.append(width)
    feature["image/height"].int64_list.value.append(height)
    for edge, value in zip(("xmin", "ymin", "xmax", "ymax"), edges, strict=True):
        feature[f"image/object/bbox/{edge}"].float_list.value.append(value)
    encoded = encode(jpeg, file, label, name, np.asarray(box, np.float32), width, height)
    assert encoded == expected.SerializeToString(deterministic=True)


def checksum(content: bytes) -> str:
    return base64.b64encode(google_crc32c.Checksum(content).digest()).decode()


def test_a_shard_is_what_tensorflow_would_write(toy_dataset: Path, tmp_path: Path) -> None:
    dataset = open_dataset(toy_dataset)
    rows = dataset.split("train")
    written = write_shard(dataset, Shard("train", "ours.tfrecord", rows), tmp_path)
    with tf.io.TFRecordWriter(str(tmp_path / "theirs.tfrecord")) as writer:
        for jpeg, row in zip(dataset.photos(rows), rows.itertuples(), strict=True):
            box = np.array([getattr(row, edge) for edge in BOX_COLUMNS], np.float32)
            writer.write(encode(jpeg, row.file, row.label, dataset.classes[row.label], box, row.width, row.height))
    content = (tmp_path / "ours.tfrecord").read_bytes()
    assert content == (tmp_path / "theirs.tfrecord").read_bytes()
    assert written == {"split": "train", "records": len(rows), "crc32c": checksum(content)}


def test_records_json_holds_the_checksums(toy_dataset: Path, tmp_path: Path) -> None:
    run(toy_dataset, tmp_path / "records")
    shards = json.loads((tmp_path / "records" / "records.json").read_text())["shards"]
    assert sorted(entry["split"] for entry in shards.values()) == sorted(SPLITS)
    for name, entry in shards.items():
        assert entry["crc32c"] == checksum((tmp_path / "records" / name).read_bytes())
