"""What loading costs a training step: MobileNetV2-0.35 at 128 px fed from shards, against the same fed one batch from memory.

On all cores first. Then with the training held on one core and the loading, in a process of its own, on another: that tells
whether a core of loading keeps up with a core of training, and so which share of a machine's cores loading needs.
"""

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components.common.dataset import open_dataset
from components.train.config import TrainConfig
from components.train.losses import BoxLoss
from components.train.models import build
from tests.bench.clock import Measured, peak_mb, streamed
from tests.bench.photo_set import BATCH, SEED, PhotoSet
from tests.bench.streams import training_batches

IMAGE_PX = 128
BACKBONE = "MobileNetV2-0.35"
DEFAULT_POLICY = "imgaug"  # what `auto` is without a GPU
WARM_UP_STEPS = 5
Batch = tuple[np.ndarray, dict[str, np.ndarray]]


def train_constant(photos: PhotoSet, seconds: float) -> Measured:
    """The model fed one batch from memory, over and over."""
    with training_batches(photos, IMAGE_PX, "none") as batches:
        batch = next(iter(batches))
    return _fit(photos, tf.data.Dataset.from_tensors(batch).repeat(), seconds)


def train_shards(photos: PhotoSet, seconds: float) -> Measured:
    """The model fed from the shards, the default policy augmenting."""
    with training_batches(photos, IMAGE_PX, DEFAULT_POLICY) as batches:
        return _fit(photos, batches, seconds)


def constant_one_core(photos: PhotoSet, seconds: float) -> Measured:
    """`train_constant` on one core."""
    _hold_to_core(0)
    return train_constant(photos, seconds)


def fed_one_core(photos: PhotoSet, seconds: float) -> Measured:
    """The model on one core, fed from the shards by a process on another."""
    command = [sys.executable, "-m", "tests.bench.measure", "feed", str(photos.source), str(photos.work)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as feeder:
        try:
            _hold_to_core(0)
            return _fit(photos, _received(feeder), seconds)
        finally:
            feeder.kill()


def load_one_core(photos: PhotoSet, seconds: float) -> Measured:
    """The batches alone, loaded and augmented on one core."""
    _hold_to_core(0)
    with training_batches(photos, IMAGE_PX, DEFAULT_POLICY) as batches:
        return streamed((len(batch) for batch, _ in batches), seconds)


def feed(photos: PhotoSet) -> None:
    """Writes batches to standard output for ever, pickled, from the second core."""
    _hold_to_core(1)
    with training_batches(photos, IMAGE_PX, DEFAULT_POLICY) as batches:
        for batch, truth in batches:
            pickle.dump((batch.numpy(), {name: value.numpy() for name, value in truth.items()}), sys.stdout.buffer)


def _hold_to_core(position: int) -> None:
    """Holds this process to one of its cores: its threads so far, so those to come, and TensorFlow's count of cores."""
    core = sorted(os.sched_getaffinity(0))[position]
    for thread in Path("/proc/self/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


def _fit(photos: PhotoSet, source: tf.data.Dataset | Iterator[Batch], seconds: float) -> Measured:
    keras.utils.set_random_seed(SEED)
    config = TrainConfig(backbone=BACKBONE, weights="none", batchnorm="trained", image_px=IMAGE_PX)
    model = build(config, len(open_dataset(photos.dataset).classes))
    losses = {"logits": keras.losses.CategoricalCrossentropy(from_logits=True), "box": BoxLoss()}
    model.compile(keras.optimizers.AdamW(), losses, jit_compile=False)
    clock = _StepClock(seconds)
    model.fit(source, steps_per_epoch=sys.maxsize, callbacks=[clock], verbose=0)
    return Measured(BATCH * clock.steps / clock.elapsed_s, peak_mb())


class _StepClock(keras.callbacks.Callback):
    def __init__(self, seconds: float):
        super().__init__()
        self.seconds = seconds
        self.steps = -WARM_UP_STEPS
        self.start = self.elapsed_s = 0.0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.steps += 1
        if self.steps == 0:
            self.start = time.monotonic()
        self.elapsed_s = time.monotonic() - self.start
        self.model.stop_training = self.steps > 0 and self.elapsed_s >= self.seconds


def _received(feeder: "subprocess.Popen[bytes]") -> Iterator[Batch]:
    while feeder.stdout:
        yield pickle.load(feeder.stdout)
