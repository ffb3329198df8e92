"""Writes one shard and its index."""

import hashlib
from pathlib import Path

import tensorflow as tf

from components.common.dataset import BOX_COLUMNS, Dataset
from components.common.index import write_index
from components.common.records import encode
from components.shard.plan import Shard


def write_shard(dataset: Dataset, shard: Shard, folder: Path) -> dict[str, str | int]:
    """Writes `folder/<name>.tfrecord` and its index.

    Returns:
        The shard's entry in records.json: split, records, sha256 of the file.
    """
    rows = shard.rows
    path = folder / shard.name
    lengths = []
    columns = zip(rows["file"], rows["label"], rows[BOX_COLUMNS].to_numpy(), rows["width"], rows["height"], strict=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for jpeg, (file, label, box, width, height) in zip(dataset.photos(rows), columns, strict=True):
            example = encode(jpeg, file, label, dataset.classes[label], box, width, height)
            writer.write(example)
            lengths.append(len(example))
    write_index(path, rows["label"], lengths)
    with path.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    return {"split": shard.split, "records": len(rows), "sha256": digest}
