"""What comes before any training: the records opened, the weights fetched, `augment = auto` decided."""

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import tensorflow as tf

from components.common.errors import UserError
from components.common.records import Records, open_records
from components.common.storage import fetch
from components.train.config import TrainConfig

MAX_WEIGHTS_BYTES = 2 * 2**30


@contextlib.contextmanager
def prepared(folders: Sequence[Path], config: TrainConfig) -> Iterator[tuple[Records, TrainConfig]]:
    """The records, and the settings with `weights` as `models.build` takes them (a fetched file lasts as long as the body) and
    `augment` as `Reader` does.

    Raises:
        UserError: records missing or empty, weights that are not there.
    """
    records = open_records(folders)
    if not sum(records.counts["train"]):
        raise UserError(f"{folders[0]}: expected photos in the train split, found none; ingest with more photos a class")
    weights, augment = config.weights, config.augment
    if augment == "auto":
        augment = "graph" if config.randaugment or tf.config.list_physical_devices("GPU") else "imgaug"
    with tempfile.TemporaryDirectory() as scratch:
        if weights not in ("imagenet", "none"):
            weights = str(fetch(weights, Path(scratch), max_bytes=MAX_WEIGHTS_BYTES))
        yield records, dataclasses.replace(config, weights=weights, augment=augment)
