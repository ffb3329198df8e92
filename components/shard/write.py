"""Writes one shard and its index."""

import hashlib
from pathlib import Path

import numpy as np
import tensorflow as tf

from components.common.dataset import BOX_COLUMNS, Dataset
from components.common.records import (
    INDEX_DTYPE,
    TFRECORD_FOOTER_BYTES,
    TFRECORD_HEADER_BYTES,
    encode,
    index_path,
)
from components.shard.plan import Shard


def write_shard(dataset: Dataset, shard: Shard, folder: Path) -> dict[str, str | int]:
    """Writes `folder/<name>.tfrecord` and its index.

    Returns:
        The shard's entry in records.json: split, records, sha256 of the file.
    """
    rows = shard.rows
    path = folder / shard.name
    index = np.zeros(len(rows), INDEX_DTYPE)
    end = 0
    columns = zip(rows["file"], rows["label"], rows[BOX_COLUMNS].to_numpy(), rows["width"], rows["height"], strict=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for number, (jpeg, (file, label, box, width, height)) in enumerate(zip(dataset.photos(rows), columns, strict=True)):
            example = encode(jpeg, file, label, dataset.classes[label], box, width, height)
            writer.write(example)
            index[number] = (label, end + TFRECORD_HEADER_BYTES, len(example))
            end += TFRECORD_HEADER_BYTES + len(example) + TFRECORD_FOOTER_BYTES
    np.save(index_path(path), index, allow_pickle=False)
    with path.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    return {"split": shard.split, "records": len(rows), "sha256": digest}
