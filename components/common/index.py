"""The index of a shard: where each record lies, so that any record is read without the ones before it.

`{shard}.index.npy`, written beside each `{shard}.tfrecord`: a row a record, ordered by class, then by place in the file: `label`
int32, `offset` int64 of the Example's bytes, `length` int32.

`SplitIndex` joins the indices of a split's shards. The files are mapped, not read, and only a table of classes x shards is held:
memory does not grow with the number of records in a shard.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import google_crc32c
import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.common.errors import UserError

DTYPE = np.dtype([("label", "<i4"), ("offset", "<i8"), ("length", "<i4")])
TFRECORD_HEADER_BYTES = 12
TFRECORD_FOOTER_BYTES = 4


class DamagedRecordError(UserError):
    """A record that is cut off or whose bytes do not have its checksum."""

    def __init__(self, shard: Path, number: int):
        super().__init__(f"{shard}: record {number} is damaged or cut off; run shard again")


def index_path(shard: Path) -> Path:
    """Where the index of a shard lies."""
    return shard.with_suffix(".index.npy")


def write_index(shard: Path, labels: ArrayLike, lengths: ArrayLike) -> None:
    """Writes the index of a shard from its records' classes and Examples' lengths in bytes, in the order of the file."""
    index = np.zeros(np.shape(labels), DTYPE)
    index["label"], index["length"] = labels, lengths
    index["offset"][1:] = np.cumsum(index["length"][:-1], dtype=np.int64)
    index["offset"] += TFRECORD_HEADER_BYTES + np.arange(len(index)) * (TFRECORD_HEADER_BYTES + TFRECORD_FOOTER_BYTES)
    np.save(index_path(shard), index[np.argsort(index["label"], kind="stable")], allow_pickle=False)


class SplitIndex:
    """The records of a split by class, or in order: shard by shard, each in the order of its file.

    Args:
        shards: the paths of the shards.
        classes: how many classes there are.

    Attributes:
        counts: records of each class, int64 `(classes,)`.

    Raises:
        UserError: a shard has no index, or one that is damaged.
    """

    def __init__(self, shards: Sequence[Path], classes: int):
        self._shards = list(shards)
        self._rows = [_open(shard) for shard in shards]
        bounds = [np.searchsorted(rows["label"], np.arange(classes + 1)) for rows in self._rows]
        self._first = np.array(bounds, np.int64).reshape(len(shards), classes + 1)
        self._until = np.cumsum(np.diff(self._first, axis=1), axis=0)
        self._ends = np.cumsum([len(rows) for rows in self._rows], dtype=np.int64)
        self.counts: NDArray[np.int64] = self._until[-1] if len(shards) else np.zeros(classes, np.int64)

    def read(self, label: int, member: int) -> bytes:
        """The Example of the `member`-th record of class `label`, 0-based, its checksum compared.

        Raises:
            DamagedRecordError: the record is cut off or damaged.
        """
        shard = int(np.searchsorted(self._until[:, label], member, side="right"))
        before = int(self._until[shard - 1, label]) if shard else 0
        return self._read(shard, int(self._first[shard, label]) + member - before)

    def read_in_order(self, number: int) -> bytes:
        """The Example of record `number` of the split, 0-based; else like `read`. A shard's index is ordered each time."""
        shard = int(np.searchsorted(self._ends, number, side="right"))
        position = number - (int(self._ends[shard - 1]) if shard else 0)
        return self._read(shard, int(np.argsort(self._rows[shard]["offset"])[position]))

    def check_lengths(self) -> None:
        """Compares each shard's length with its index.

        Raises:
            DamagedRecordError: a shard ends too soon; names its first record that is cut off.
            UserError: a shard is longer than its index says.
        """
        for shard, rows in zip(self._shards, self._rows, strict=True):
            ends = rows["offset"] + rows["length"] + TFRECORD_FOOTER_BYTES
            size, end = shard.stat().st_size, int(ends.max(initial=0))
            if size < end:
                raise DamagedRecordError(shard, int(np.count_nonzero(ends <= size)))
            if size > end:
                raise UserError(f"{shard}: expected {end} bytes, found {size}; run shard again")

    def _read(self, shard: int, row: int) -> bytes:
        _, offset, length = self._rows[shard][row]
        handle = os.open(self._shards[shard], os.O_RDONLY)
        try:
            stored = os.pread(handle, int(length) + TFRECORD_FOOTER_BYTES, int(offset))
        finally:
            os.close(handle)
        example, footer = stored[:length], stored[length:]
        if len(footer) != TFRECORD_FOOTER_BYTES or int.from_bytes(footer, "little") != masked_crc(example):
            raise DamagedRecordError(self._shards[shard], int(np.count_nonzero(self._rows[shard]["offset"] < offset)))
        return example


def _open(shard: Path) -> NDArray[np.void]:
    path = index_path(shard)
    try:
        rows = np.load(path, mmap_mode="r", allow_pickle=False) if path.stat().st_size else None
    except (FileNotFoundError, ValueError, EOFError):
        rows = None
    if rows is None or rows.dtype != DTYPE or rows.ndim != 1:
        raise UserError(f"{path}: expected the index of {shard.name}, found none or a damaged one; run shard again")
    return rows


def masked_crc(content: bytes) -> int:
    """The checksum of a TFRecord's bytes: CRC-32C, rotated and shifted (TensorFlow, `core/lib/hash/crc32c.h`)."""
    crc = google_crc32c.value(content)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
