"""The index of a split: every record by class and in order, and damage named with its file and number."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components.common.errors import UserError
from components.common.index import DamagedRecordError, SplitIndex, index_path
from components.common.records import open_records


@pytest.fixture
def shards(toy_records: list[Path], tmp_path: Path) -> list[Path]:
    """The train shards of the toy set, in a folder that may be damaged."""
    train = open_records(toy_records).shards["train"]
    for shard in train:
        for path in (shard, index_path(shard)):
            shutil.copy(path, tmp_path)
    return [tmp_path / shard.name for shard in train]


def in_file_order(shards: list[Path]) -> list[bytes]:
    return [bytes(record) for shard in shards for record in tf.data.TFRecordDataset(str(shard)).as_numpy_iterator()]


def test_every_record_is_found_by_class_and_in_order(shards: list[Path]) -> None:
    index = SplitIndex(shards, 3)
    stored = in_file_order(shards)
    assert len(shards) > 1
    assert [index.read_in_order(number) for number in range(len(stored))] == stored
    by_class = [[index.read(label, member) for member in range(index.counts[label])] for label in range(3)]
    assert sorted(record for group in by_class for record in group) == sorted(stored)
    for label, group in enumerate(by_class):
        for record in group:
            assert tf.train.Example.FromString(record).features.feature["image/class/label"].int64_list.value == [label]


def test_a_cut_off_shard_is_named_with_its_first_lost_record(shards: list[Path]) -> None:
    records = len(np.load(index_path(shards[1])))
    content = shards[1].read_bytes()
    shards[1].write_bytes(content[:-100])
    index = SplitIndex(shards, 3)
    with pytest.raises(DamagedRecordError, match=rf"{shards[1].name}: record {records - 1} is damaged or cut off"):
        index.check_lengths()
    shards[1].write_bytes(b"")
    with pytest.raises(DamagedRecordError, match=rf"{shards[1].name}: record 0 "):
        index.check_lengths()
    shards[1].write_bytes(content + b"more")
    with pytest.raises(
        UserError, match=rf"{shards[1].name}: expected {len(content)} bytes, found {len(content) + 4}; run shard again"
    ):
        index.check_lengths()
    shards[1].write_bytes(content)
    index.check_lengths()


@pytest.mark.parametrize("place", ["photo", "checksum"])
def test_a_changed_byte_is_named_with_its_record(shards: list[Path], place: str) -> None:
    rows = np.sort(np.load(index_path(shards[0])), order="offset")
    number = len(rows) // 2
    content = bytearray(shards[0].read_bytes())
    content[rows[number]["offset"] + (rows[number]["length"] if place == "checksum" else 50)] ^= 1
    shards[0].write_bytes(content)
    index = SplitIndex(shards, 3)
    with pytest.raises(DamagedRecordError, match=rf"{shards[0].name}: record {number} is damaged or cut off"):
        index.read_in_order(number)
    assert index.read_in_order(number - 1)
    assert index.read_in_order(number + 1)


@pytest.mark.parametrize("content", [None, b"", b"no array", b"\x93NUMPY"])
def test_a_missing_or_damaged_index_is_named(shards: list[Path], content: bytes | None) -> None:
    path = index_path(shards[0])
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=rf"{path.name}: expected the index of {shards[0].name}"):
        SplitIndex(shards, 3)


def test_an_index_of_another_kind_is_refused(shards: list[Path]) -> None:
    np.save(index_path(shards[0]), np.zeros(3))
    with pytest.raises(UserError, match="found none or a damaged one"):
        SplitIndex(shards, 3)
