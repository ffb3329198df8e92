"""Writes one shard and its index.

Two threads share the work, each about half: one reads photos and builds records, the other writes them and computes the checksum.
Blocks are large and a few may wait, so that neither thread sleeps often: to wake one costs more than to copy a photo.
"""

import hashlib
import struct
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from components.common.dataset import BOX_COLUMNS, Dataset
from components.common.index import masked_crc, write_index
from components.common.records import encode
from components.shard.plan import Shard

BLOCK_BYTES = 2 * 2**20
BLOCKS_AHEAD = 4


def write_shard(dataset: Dataset, shard: Shard, folder: Path) -> dict[str, str | int]:
    """Writes `folder/<name>.tfrecord` and its index.

    Returns:
        The shard's entry in records.json: split, records, sha256 of the file.
    """
    path = folder / shard.name
    lengths: list[int] = []
    digest = hashlib.sha256()
    with path.open("wb") as handle, ThreadPoolExecutor(1) as beside:

        def keep(block: bytes) -> None:
            handle.write(block)
            digest.update(block)

        waiting: deque[Future[None]] = deque()
        for block in _blocks(_examples(dataset, shard), lengths):
            waiting.append(beside.submit(keep, block))
            if len(waiting) > BLOCKS_AHEAD:
                waiting.popleft().result()
        for kept in waiting:
            kept.result()
    write_index(path, shard.rows["label"], lengths)
    return {"split": shard.split, "records": len(shard.rows), "sha256": digest.hexdigest()}


def _examples(dataset: Dataset, shard: Shard) -> Iterator[bytes]:
    rows = shard.rows
    columns = zip(rows["file"], rows["label"], rows[BOX_COLUMNS].to_numpy(), rows["width"], rows["height"], strict=True)
    for jpeg, (file, label, box, width, height) in zip(dataset.photos(rows), columns, strict=True):
        yield encode(jpeg, file, label, dataset.classes[label], box, width, height)


def _blocks(examples: Iterable[bytes], lengths: list[int]) -> Iterator[bytes]:
    """The shard's bytes in blocks of about BLOCK_BYTES; each Example's length is appended to `lengths`."""
    parts: list[bytes] = []
    size = 0
    for example in examples:
        lengths.append(len(example))
        length = struct.pack("<Q", len(example))
        parts += (length, struct.pack("<I", masked_crc(length)), example, struct.pack("<I", masked_crc(example)))
        size += len(example)
        if size >= BLOCK_BYTES:
            yield b"".join(parts)
            parts.clear()
            size = 0
    yield b"".join(parts)
