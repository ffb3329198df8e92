"""Records on disk: what `shard` writes and `train` and `evaluate` read.

One photo is one `tf.train.Example`, with the field's usual feature names:

    image/encoded            bytes    the JPEG, as ingested
    image/filename           bytes    the photo's name in the source, UTF-8
    image/height, width      int64    pixels
    image/class/label        int64    class id
    image/class/text         bytes    class name, UTF-8
    image/object/bbox/xmin   float32  the box, relative to the photo, 0-1; also ymin, xmax, ymax

A records folder holds shards `{split}-{i:05d}-of-{n:05d}.tfrecord`, beside each its index (see `index.py`), and `records.json`:

    schema, dataset (its id), seed (of the deal), classes, mean_train_box (relative), counts {split: [photos of class 0, ...]} and
    shard_counts {split: shards} of the whole dataset,
    shards {file name: {split, records, crc32c}} of this folder, the checksum as Cloud Storage shows it

The tasks of `shard` share the work, so one set of records may lie in several folders; `open_records` joins them and checks that
nothing is missing.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from components.common import boxes
from components.common.dataset import SPLITS, read_info
from components.common.errors import UserError
from components.common.example import BOX_FEATURES, SCHEMA, shard_name
from components.common.index import DamagedRecordError, SplitIndex

FEATURES = {
    "image/encoded": tf.io.FixedLenFeature([], tf.string),
    "image/filename": tf.io.FixedLenFeature([], tf.string),
    "image/height": tf.io.FixedLenFeature([], tf.int64),
    "image/width": tf.io.FixedLenFeature([], tf.int64),
    "image/class/label": tf.io.FixedLenFeature([], tf.int64),
    "image/class/text": tf.io.FixedLenFeature([], tf.string),
    **{name: tf.io.FixedLenFeature([], tf.float32) for name in BOX_FEATURES},
}


def parse(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
    """Serialized Examples, string tensor of any shape `s` -> a dict of tensors.

    Returns:
        `jpeg` and `file` string `s`, `label` int32 `s`, `box` float32 `s + (4,)` relative, `size` int32 `s + (2,)` as
        (width, height).
    """
    fields = tf.io.parse_example(serialized, FEATURES)
    return {
        "jpeg": fields["image/encoded"],
        "file": fields["image/filename"],
        "label": tf.cast(fields["image/class/label"], tf.int32),
        "box": tf.stack([fields[name] for name in BOX_FEATURES], axis=-1),
        "size": tf.cast(tf.stack([fields["image/width"], fields["image/height"]], axis=-1), tf.int32),
    }


@dataclass(frozen=True)
class Records:
    """An opened set of records.

    Attributes:
        shards: the paths of each split, in the order of their numbers.
        identity: tells sets apart.
    """

    classes: list[str]
    mean_train_box: boxes.Boxes
    counts: dict[str, list[int]]
    shards: dict[str, list[Path]]
    identity: str

    def index(self, split: str) -> SplitIndex:
        """Where the records of a split lie.

        Raises:
            UserError: a shard has no index, or one that is damaged.
        """
        return SplitIndex(self.shards[split], len(self.classes))

    def examples(self, split: str) -> Iterator[dict[str, Any]]:
        """Every record of a split once, in file order, as `parse` returns it, in NumPy.

        Raises:
            DamagedRecordError: a shard is cut off or damaged.
        """
        for shard in self.shards[split]:
            count = 0
            try:
                for serialized in tf.data.TFRecordDataset(str(shard)).as_numpy_iterator():
                    yield {name: value.numpy() for name, value in parse(serialized).items()}
                    count += 1
            except tf.errors.DataLossError:
                raise DamagedRecordError(shard, count) from None


def open_records(folders: Sequence[str | Path]) -> Records:
    """Opens a set of records that lies in one or more folders.

    Raises:
        UserError: a folder holds no records, the folders belong to different datasets, or shards are missing.
    """
    infos = [(Path(folder), read_info(Path(folder) / "records.json", SCHEMA, "records written by shard")) for folder in folders]
    if not infos:
        raise UserError("expected at least one folder of records, received none")
    first = infos[0][1]
    for folder, info in infos:
        for name in ("dataset", "seed", "shard_counts"):
            if info[name] != first[name]:
                raise UserError(
                    f"{folder}: expected records of {name} {first[name]} as in {infos[0][0]}, received {info[name]}; "
                    "take the folders of one run of shard"
                )
    found = {name: folder / name for folder, info in infos for name in info["shards"]}
    shards: dict[str, list[Path]] = {}
    for split in SPLITS:
        names = sorted(name for name in found if name.startswith(f"{split}-"))
        expected = [shard_name(split, i, first["shard_counts"][split]) for i in range(first["shard_counts"][split])]
        if missing := sorted(set(expected) - {name for name in names if found[name].exists()}):
            raise UserError(f"{', '.join(map(str, folders))}: expected {len(expected)} {split} shards, {missing[0]} is missing")
        shards[split] = [found[name] for name in expected]
    written = sorted((name, what) for _, info in infos for name, what in info["shards"].items())
    identity = hashlib.sha256(json.dumps([first["classes"], written], sort_keys=True).encode()).hexdigest()
    return Records(first["classes"], np.asarray(first["mean_train_box"], np.float32), first["counts"], shards, identity)
