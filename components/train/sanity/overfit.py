"""Whether the network can learn a handful of photos by heart."""

import contextlib
import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.common.errors import UserError
from components.common.index import SplitIndex
from components.common.records import Records
from components.train.config import TrainConfig
from components.train.sanity.checks import Check
from components.train.trainee import Trainee

PHOTOS_PER_CLASS = 36
LEARNING_RATE = 3e-4
MAX_STEPS = 400
BOX_FALL = 0.8
"""Of the first epoch's. One box for all photos does not get there: the best came to .87 (pairs of toy classes, any box loss)."""

Row = dict[str, float]


class _Subset(Records):
    """Of each class the first records, as many as `counts` says."""

    def index(self, split: str) -> SplitIndex:
        index = super().index(split)
        index.counts = np.array(self.counts[split])
        return index


def two_classes(records: Records, counts: NDArray[np.int64]) -> Records:
    """Equally many train photos of the two largest classes, up to 36 each.

    Args:
        records: all of them.
        counts: train photos of each class that may be taken, `(classes,)`.

    Raises:
        UserError: fewer than two classes have photos.
    """
    largest = np.argsort(-counts, kind="stable")[:2]
    photos = min(PHOTOS_PER_CLASS, int(counts[largest[-1]]))
    if len(counts) < 2 or not photos:
        raise UserError(f"sanity: expected train photos of two classes at least, found {np.count_nonzero(counts)}")
    taken = np.zeros_like(counts)
    taken[largest] = photos
    return _Subset(**{**vars(records), "counts": {**records.counts, "train": taken.tolist()}})


def settings(config: TrainConfig, photos: int) -> TrainConfig:
    """Those for `photos` photos to be learned by heart: nothing that makes it harder, and a batch that divides an epoch."""
    most = min(max(config.batch, 2), photos // 2)
    return dataclasses.replace(
        config,
        batch=next(batch for batch in range(most, 0, -1) if photos % batch == 0),
        photos_per_class=1,
        augment="none",
        randaugment=0,
        mixup=0.0,
        cutmix=0.0,
        label_smoothing=0.0,
        l2=0.0,
    )


def overfit(
    trainee: Trainee, batches: tf.data.Dataset, steps_per_epoch: int, max_steps: int = MAX_STEPS
) -> tuple[list[Check], list[Row]]:
    """Trains until every photo of an epoch was classified right and the box loss has fallen by a fifth, or `max_steps` are over.

    Accuracy is that of the training steps themselves, as the loss is: BatchNorm with the batch's own statistics (unless it is
    frozen), so that it tells of the gradient's path and not of running statistics that lag behind after a few dozen steps. The
    rate is Adam's 3e-4, with which every backbone learns from random weights. Dropout is off, the backbone's own too.

    What it cannot see: labels that were exchanged once and for all are learned by heart as well as true ones, nearly as fast
    (Zhang et al., 2017, arXiv:1611.03530); only labels that come with other photos each time are not. For the former there is the
    contact sheet.

    Args:
        trainee: a network that has not been trained; it is compiled here.
        batches: endless, the photos of the subset anew each epoch.
        steps_per_epoch: batches in which each photo comes once.
        max_steps: where to give up.

    Returns:
        The checks, and of each epoch: step, loss, label_loss, box_loss, top1, iou.
    """
    trainee.compile(keras.optimizers.Adam(LEARNING_RATE), jit_compile=False)
    rows: list[Row] = []

    def judge(epoch: int, logs: dict[str, Any]) -> None:
        rows.append({"step": (epoch + 1) * steps_per_epoch, **{name: float(value) for name, value in logs.items()}})
        trainee.stop_training = not math.isfinite(rows[-1]["loss"]) or (_learned(rows) and _box_fell(rows))

    until = keras.callbacks.LambdaCallback(on_epoch_end=judge)
    epochs = max(1, max_steps // steps_per_epoch)
    with no_dropout(trainee.network):
        trainee.fit(batches, epochs=epochs, steps_per_epoch=steps_per_epoch, shuffle=False, verbose=0, callbacks=[until])
    return _checks(rows), rows


@contextlib.contextmanager
def no_dropout(network: keras.Model) -> Iterator[None]:
    """The network without dropout and drop-connect, as long as the body lasts; what is traced in it stays so."""
    layers = [layer for layer in network._flatten_layers() if isinstance(layer, keras.layers.Dropout)]
    rates = [layer.rate for layer in layers]
    for layer in layers:
        layer.rate = 0.0
    try:
        yield
    finally:
        for layer, rate in zip(layers, rates, strict=True):
            layer.rate = rate


def _learned(rows: list[Row]) -> bool:
    return rows[-1]["top1"] == 1 and rows[-1]["label_loss"] < rows[0]["label_loss"]


def _box_fell(rows: list[Row]) -> bool:
    return rows[-1]["box_loss"] <= BOX_FALL * rows[0]["box_loss"]


def _checks(rows: list[Row]) -> list[Check]:
    first, last = rows[0], rows[-1]
    fell = f"class loss {first['label_loss']:.3f} to {last['label_loss']:.3f}"
    return [
        Check(
            name="Two classes are learned by heart",
            expected="100% of the training photos, a falling loss",
            found=f"{last['top1']:.1%} after {last['step']:.0f} steps, {fell}",
            passed=_learned(rows),
            hint="A network that cannot learn a handful of photos will not learn more: look at the contact sheet whether labels "
            "belong to their photos, at the loss's sign, at frozen layers, at dead units.",
        ),
        Check(
            name="Their boxes are learned",
            expected=f"box loss at most {BOX_FALL:.0%} of the first epoch's {first['box_loss']:.3f}",
            found=f"{last['box_loss']:.3f}, IoU {first['iou']:.2f} to {last['iou']:.2f}",
            passed=_box_fell(rows),
            hint="Look at the contact sheet whether the boxes belong to their photos, at box_weight, and whether the box head sees "
            "where things are.",
        ),
    ]
