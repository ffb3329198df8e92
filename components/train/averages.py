"""Averaged weights: an exponential moving average of every step, or the plain average of the last epochs (SWA)."""

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf

from components.train.config import TrainConfig
from components.train.reader import Batch

REESTIMATION_STEPS = 100


class Averages:
    """The average of a network's floating variables, BatchNorm's statistics included.

    Args:
        network: what is averaged.
        config: `ema` or `swa`, or neither: then nothing is kept.
        steps: of the run, and in an epoch.

    Attributes:
        variables: the averages, for a checkpoint.
    """

    def __init__(self, network: keras.Model, config: TrainConfig, steps: int, steps_per_epoch: int):
        self._config = config
        self._network = network
        self._steps, self._steps_per_epoch = steps, steps_per_epoch
        self._swa_from = min(round(steps * (1 - config.swa)), steps - 1)
        kept = config.ema or config.swa
        self._averaged = [each for each in network.variables if each.dtype.startswith("float")] if kept else []
        self.variables = [tf.Variable(tf.convert_to_tensor(each), trainable=False) for each in self._averaged]

    def update(self, step: int) -> None:
        """To be called after step `step`, counted from 0."""
        if self._config.ema:
            updates, accumulating = divmod(step + 1, self._config.accumulate)
            if accumulating:
                return
            # early on the average would be of the first, random weights; as in TensorFlow's own ExponentialMovingAverage
            self._move(1 - min(self._config.ema, updates / (9 + updates)))
        elif self._config.swa and (done := step + 1) > self._swa_from and (self._steps - done) % self._steps_per_epoch == 0:
            self._move(1 / (1 + max(0, done - 1 - self._swa_from) // self._steps_per_epoch))

    def _move(self, rate: float) -> None:
        self._moved(tf.constant(rate, tf.float32))

    @tf.function
    def _moved(self, rate: tf.Tensor) -> None:
        for average, variable in zip(self.variables, self._averaged, strict=True):
            average.assign_add((tf.convert_to_tensor(variable) - average) * rate)

    @contextlib.contextmanager
    def applied(self, step: int, plain: tf.data.Dataset) -> Iterator[None]:
        """The network with the averages for weights, where there are any after `step` steps: always with `ema`, after the last step
        with `swa`, whose BatchNorm statistics are estimated anew on `plain`, batches of training photos that are not augmented."""
        if not self._averaged or (self._config.swa and step < self._steps):
            yield
            return
        raw = [np.array(each) for each in self._averaged]
        _assign(self._averaged, self.variables)
        if self._config.swa:
            reestimate_batchnorm(self._network, plain)
        try:
            yield
        finally:
            _assign(self._averaged, raw)


def reestimate_batchnorm(network: keras.Model, batches: Iterable[Batch]) -> None:
    """Sets every BatchNorm that is trained to the mean of its statistics over up to 100 batches."""
    norms = [layer for layer in network._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable]
    if not norms:
        return
    momenta = [layer.momentum for layer in norms]
    for number, (photos, _) in enumerate(itertools.islice(batches, REESTIMATION_STEPS)):
        for layer in norms:
            layer.momentum = number / (number + 1)
        network(photos, training=True)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum


def _assign(variables: Sequence[keras.Variable], values: Sequence[tf.Variable | np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
