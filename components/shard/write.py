"""Writes one shard and its index."""

import base64
import struct
from collections.abc import Iterator
from pathlib import Path

import google_crc32c

from components.common.dataset import BOX_COLUMNS, Dataset
from components.common.example import encode
from components.common.index import masked_crc, write_index
from components.shard.plan import Shard


def write_shard(dataset: Dataset, shard: Shard, folder: Path) -> dict[str, str | int]:
    """Writes `folder/<name>.tfrecord` and its index.

    Returns:
        The shard's entry in records.json: split, records, crc32c of the file as Cloud Storage shows it.
    """
    path = folder / shard.name
    lengths: list[int] = []
    checksum = 0
    with path.open("wb") as handle:
        for example in _examples(dataset, shard):
            length = struct.pack("<Q", len(example))
            record = b"".join((length, struct.pack("<I", masked_crc(length)), example, struct.pack("<I", masked_crc(example))))
            handle.write(record)
            checksum = google_crc32c.extend(checksum, record)
            lengths.append(len(example))
    write_index(path, shard.rows["label"], lengths)
    return {"split": shard.split, "records": len(lengths), "crc32c": base64.b64encode(checksum.to_bytes(4)).decode()}


def _examples(dataset: Dataset, shard: Shard) -> Iterator[bytes]:
    rows = shard.rows
    columns = zip(rows["file"], rows["label"], rows[BOX_COLUMNS].to_numpy(), rows["width"], rows["height"], strict=True)
    for jpeg, (file, label, box, width, height) in zip(dataset.photos(rows), columns, strict=True):
        yield encode(jpeg, file, label, dataset.classes[label], box, width, height)
