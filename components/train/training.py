"""The state of a run between two steps: everything that a checkpoint holds, and what moves it on."""

import math
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components.common.errors import UserError
from components.train.averages import Averages
from components.train.checkpoint import Arrays
from components.train.config import TrainConfig
from components.train.distribution import Group
from components.train.history import selection_loss
from components.train.optimizer import optimizer
from components.train.reader import Batch
from components.train.schedule import Schedule
from components.train.trainee import Trainee
from components.train.unfreezing import set_trainable


class Training:
    """A network on its way through `config.epochs` times `steps_per_epoch` steps.

    Args:
        network: built, untrained.
        config: the settings.
        steps_per_epoch: over the batches of all processes.
        group: the processes that train it together; each calls every method but `save`.

    Attributes:
        step: steps done.
        epoch: epochs done, their validation included.
    """

    def __init__(self, network: keras.Model, config: TrainConfig, steps_per_epoch: int, group: Group):
        self.step = self.epoch = 0
        self._schedule = Schedule(config, steps_per_epoch)
        self._network, self._config, self._group = network, config, group
        self._steps_per_epoch = steps_per_epoch
        set_trainable(network, config, config.epochs)
        self._trainee = Trainee(network, config)
        self._optimizer = optimizer(network, config, steps_per_epoch)
        self._trainee.compile(self._optimizer, jit_compile=config.xla)
        self._trainee.optimizer.build(self._trainee.trainable_variables)
        group.share_gradients(self._trainee.optimizer)
        group.share_batchnorm(network)
        group.vary_dropout(network)
        self._averages = Averages(network, config, config.epochs * steps_per_epoch, steps_per_epoch)
        self._stages: int | None = None
        self._best_loss = math.inf
        self._best: Arrays = []

    @property
    def ended(self) -> bool:
        """Whether all epochs are done, or the validation loss falls no more."""
        return self.epoch >= self._config.epochs or self._schedule.stalled

    def begin(self) -> None:
        """To be called before the first step, of an epoch or of a resumed run."""
        if self.step == self.epoch * self._steps_per_epoch:
            self._trainee.reset_metrics()
        stages = set_trainable(self._network, self._config, self.epoch)
        if stages != self._stages:
            self._trainee.make_train_function(force=True)
            self._stages = stages

    def advance(self, batches: Iterator[Batch]) -> dict[str, tf.Tensor]:
        """Does a step; returns the epoch's metrics so far."""
        self._optimizer.learning_rate = self._schedule.rate(self.step)
        logs = self._trainee.train_function(batches)
        self._averages.update(self.step)
        self.step += 1
        return logs

    def end_epoch(self, validation: tf.data.Dataset, plain: tf.data.Dataset) -> dict[str, float]:
        """Validates what would be kept now, and keeps it if it is the best so far by the validation's class and box loss.

        Args:
            validation: photos to measure on.
            plain: batches of training photos, not augmented, see `Averages.applied`.

        Returns:
            loss, label_loss, box_loss, top1, iou of the epoch's steps, the validation's with `val_` before, learning_rate.

        Raises:
            UserError: the loss became NaN or infinite.
        """
        row = self._measured()
        if not math.isfinite(row["loss"]):
            raise UserError(
                f"learning_rate: training diverged in epoch {self.epoch + 1} (the loss is no number any more) "
                f"at a peak of {self._config.learning_rate:g}; set a lower one"
            )
        with self._averages.applied(self.step, plain):
            self._trainee.evaluate(validation, verbose=0)
            measured = {f"val_{name}": value for name, value in self._measured().items()}
            loss = selection_loss(measured, self._config)
            if loss < self._best_loss:
                self._best_loss = loss
                self._best = [np.array(variable) for variable in self._network.variables]
        rate = self._schedule.rate(self.step - 1)
        self._schedule.epoch_ended(loss)
        self.epoch += 1
        return {**row, **measured, "learning_rate": rate}

    def finish(self) -> None:
        """Gives the network the weights of its best epoch.

        Raises:
            UserError: there is none, as no epoch's validation loss was finite.
        """
        if not self._best:
            raise UserError(
                f"validation: expected a finite loss in at least one epoch, found none in {self.epoch}; "
                "set a lower learning_rate, or precision float32"
            )
        for variable, value in zip(self._network.variables, self._best, strict=True):
            variable.assign(value)

    def save(self) -> tuple[Arrays, dict[str, Any]]:
        """Arrays and plain values for a checkpoint."""
        arrays = [np.array(variable) for variable in self._variables()] + self._best
        return arrays, {"step": self.step, "epoch": self.epoch, "best_loss": self._best_loss, "schedule": self._schedule.state}

    def restore(self, arrays: Arrays, state: dict[str, Any]) -> None:
        """Goes to where `save` was called."""
        variables = self._variables()
        for variable, value in zip(variables, arrays[: len(variables)], strict=True):
            variable.assign(value)
        if not self._group.chief:
            # the metrics saved are those of the chief's rows
            self._trainee.reset_metrics()
        self._group.vary_dropout(self._network)
        self._best = arrays[len(variables) :]
        self.step, self.epoch = state["step"], state["epoch"]
        self._best_loss, self._schedule.state = state["best_loss"], state["schedule"]

    def _measured(self) -> dict[str, float]:
        """The metrics over the rows of all processes."""
        self._group.add_up(self._trainee.metrics_variables)
        return {name: float(value) for name, value in self._trainee.get_metrics_result().items()}

    def _variables(self) -> list[Any]:
        trainee = self._trainee
        return [*trainee.variables, *trainee.metrics_variables, *trainee.optimizer.variables, *self._averages.variables]
