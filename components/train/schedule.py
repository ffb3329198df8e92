"""The learning rate of each step: warm-up, then a cosine, or a plateau's steps down; known at any step, so a run can be resumed."""

import math
from typing import Any

from components.train.config import TrainConfig

COSINE_END = 0.01
# the original project's: a third after 5 epochs without a better validation loss, never below 1e-6
PLATEAU_FACTOR = 1 / 3
PLATEAU_EPOCHS = 5
PLATEAU_END = 1e-6


class Schedule:
    """The rate over `steps` steps in all. While the backbone is frozen it stays at the peak; the warm-up comes after.

    Attributes:
        state: what `plateau` has seen, plain values for a checkpoint.
    """

    def __init__(self, config: TrainConfig, steps_per_epoch: int):
        self._config = config
        self._begin = min(config.frozen_epochs, config.epochs) * steps_per_epoch
        self._steps = config.epochs * steps_per_epoch - self._begin
        self._warm_up = round(self._steps * config.warm_up)
        self.state: dict[str, Any] = {"best": math.inf, "waited": 0, "factor": 1.0}

    def rate(self, step: int) -> float:
        """The learning rate of step `step`, counted from 0."""
        peak, step = self._config.learning_rate, step - self._begin
        if step < 0:
            return peak
        if step < self._warm_up:
            return peak * (step + 1) / self._warm_up
        if self._config.schedule == "plateau":
            return max(peak * self.state["factor"], min(peak, PLATEAU_END))
        done = (step - self._warm_up) / max(1, self._steps - self._warm_up)
        return peak * (COSINE_END + (1 - COSINE_END) * (1 + math.cos(math.pi * done)) / 2)

    def epoch_ended(self, val_loss: float) -> None:
        """Counts epochs without a better validation loss."""
        if val_loss < self.state["best"]:
            self.state |= {"best": val_loss, "waited": 0}
            return
        self.state["waited"] += 1
        if self.state["waited"] % PLATEAU_EPOCHS == 0:
            self.state["factor"] *= PLATEAU_FACTOR

    @property
    def stalled(self) -> bool:
        """Whether `patience` epochs went by without a better validation loss."""
        return bool(self._config.patience) and self.state["waited"] >= self._config.patience
