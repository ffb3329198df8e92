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
    """The records, and the settings `with_weights` and `with_policy`.

    Raises:
        UserError: records missing or empty, weights that are not there.
    """
    records = open_records(folders)
    if not sum(records.counts["train"]):
        raise UserError(f"{folders[0]}: expected photos in the train split, found none; ingest with more photos a class")
    with with_weights(with_policy(config)) as ready:
        yield records, ready


def with_policy(config: TrainConfig) -> TrainConfig:
    """The settings with `augment` as `Reader` takes it: `auto` decided."""
    if config.augment != "auto":
        return config
    in_graph = config.randaugment or tf.config.list_physical_devices("GPU")
    return dataclasses.replace(config, augment="graph" if in_graph else "imgaug")


@contextlib.contextmanager
def with_weights(config: TrainConfig) -> Iterator[TrainConfig]:
    """The settings with `weights` as `models.build` takes them; a fetched file lasts as long as the body.

    Raises:
        UserError: there are none at that address.
    """
    with tempfile.TemporaryDirectory() as scratch:
        weights = config.weights
        if weights not in ("imagenet", "none"):
            weights = str(fetch(weights, Path(scratch), max_bytes=MAX_WEIGHTS_BYTES))
        yield dataclasses.replace(config, weights=weights)
