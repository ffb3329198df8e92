"""The backbone's features of every training photo, computed once: all that heads on a frozen backbone need of plain photos."""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.common.progress import track
from components.train.config import TrainConfig
from components.train.reader import Batch, Reader


def cacheable(config: TrainConfig) -> bool:
    """Whether each photo has the same features whenever it is drawn."""
    return config.augment == "none" and not config.mixup and not config.cutmix and config.damaged == "stop"


def split(network: keras.Model) -> tuple[keras.Model, keras.Model]:
    """The network up to the backbone's features, and from there on; they share its layers."""
    features = network.get_layer("pool").input
    return keras.Model(network.input, features), keras.Model(features, network.output)


def batches(reader: Reader, trunk: keras.Model, folder: Path, first_step: int) -> tf.data.Dataset:
    """What `reader.training` gives from `first_step` on, with `trunk`'s features float16 in place of the photos.

    Args:
        reader: of the records.
        trunk: photos -> features, the first of `split`.
        folder: for `features.npy`, as long as the dataset is used; it is mapped, not held in memory.
        first_step: counted from 0.
    """
    counts = reader.counts("train")
    starts = np.cumsum(counts) - counts
    features, boxes = _compute(reader, trunk, folder / "features.npy", int(counts.sum()))

    def rows(places: NDArray[np.int64]) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
        numbers = starts[places[:, 0]] + places[:, 1]
        return features[numbers], boxes[numbers]

    def looked_up(places: tf.Tensor) -> Batch:
        found, box = tf.numpy_function(rows, [places], (tf.float16, tf.float32))
        targets = {"logits": tf.one_hot(places[:, 0], len(counts)), "box": tf.ensure_shape(box, [None, 4])}
        return {"features": tf.ensure_shape(found, [None, *features.shape[1:]])}, targets

    return reader.draws(first_step).map(looked_up).prefetch(tf.data.AUTOTUNE)


def _compute(reader: Reader, trunk: keras.Model, path: Path, count: int) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
    features = np.lib.format.open_memmap(path, "w+", np.float16, (count, *trunk.output_shape[1:]))
    boxes = np.empty((count, 4), np.float32)
    done = 0
    for photos, targets in track(reader.validation("train", whole=True), "features"):
        rows = slice(done, done := done + len(photos))
        features[rows], boxes[rows] = trunk(photos, training=False), targets["box"]
    features.flush()
    return np.load(path, mmap_mode="r"), boxes
