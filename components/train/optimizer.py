"""AdamW or SGD with Nesterov momentum, whose learning rate falls from stage to stage of the backbone (Howard and Ruder, 2018,
arXiv:1801.06146, call it discriminative fine-tuning)."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from components.train.config import TrainConfig
from components.train.models.stages import stages

MOMENTUM = 0.9
NOT_DECAYED = ["bias", "gamma", "beta", "log_variances"]


class _LayerRates:
    """Of an optimizer: multiplies the learning rate of each variable, its weight decay's too, by its own factor.

    Args:
        factors: by the variable's path; 1 where there is none.
    """

    def __init__(self, factors: Mapping[str, float], **options: Any):
        super().__init__(**options)
        self._factors_by_path = dict(factors)
        self._factors: list[float] = []

    def build(self, variables: list[keras.Variable]) -> None:
        self._factors = [self._factors_by_path.get(variable.path, 1.0) for variable in variables]
        super().build(variables)  # type: ignore[misc]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        super().update_step(gradient, variable, learning_rate * self._factor(variable))  # type: ignore[misc]

    def _apply_weight_decay(self, variables: list[keras.Variable]) -> None:
        for variable in variables:
            if self._use_weight_decay(variable):  # type: ignore[attr-defined]
                decay = self.learning_rate * self._factor(variable) * self.weight_decay  # type: ignore[attr-defined]
                variable.assign_sub(variable * decay)

    def _factor(self, variable: Any) -> float:
        return self._factors[self._get_variable_index(variable)]  # type: ignore[attr-defined]


class _AdamW(_LayerRates, keras.optimizers.AdamW):
    """Corrects the bias of each variable's moments by its own updates. Keras counts those of the whole run, which would make the
    first steps of a layer that is trained later on up to 6.6 times too large.

    Args:
        begun: how many updates the run has behind it when a variable's first comes, by its path; 0 where there is none.
    """

    def __init__(self, begun: Mapping[str, int], **options: Any):
        super().__init__(**options)
        self._begun_by_path = dict(begun)
        self._begun: list[int] = []

    def build(self, variables: list[keras.Variable]) -> None:
        self._begun = [self._begun_by_path.get(variable.path, 0) for variable in variables]
        super().build(variables)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        if begun := self._begun[self._get_variable_index(variable)]:
            update = ops.cast(self.iterations + 1, "float32")
            learning_rate = learning_rate * self._correction(ops.maximum(update - begun, 1)) / self._correction(update)
        super().update_step(gradient, variable, learning_rate)

    def _correction(self, update: Any) -> Any:
        return ops.sqrt(1 - self.beta_2**update) / (1 - self.beta_1**update)


class _SGD(_LayerRates, keras.optimizers.SGD):
    pass


def optimizer(network: keras.Model, config: TrainConfig, steps_per_epoch: int = 0) -> keras.optimizers.Optimizer:
    """The optimizer of `network`'s training; its learning rate is set anew each step, see `schedule.py`.

    Args:
        network: all that is trained at the run's end is trainable.
        config: the settings.
        steps_per_epoch: of a run that unfreezes as `config` says; 0 where all is trained from the first step on.
    """
    depths = _depths(network.get_layer("backbone"))
    options: dict[str, Any] = {
        "name": config.optimizer,
        "factors": {path: config.layer_decay**depth for path, depth in depths.items()},
        "learning_rate": config.learning_rate,
        "weight_decay": config.weight_decay,
        "gradient_accumulation_steps": config.accumulate if config.accumulate > 1 else None,
    }
    if config.optimizer == "sgd":
        chosen = _SGD(momentum=MOMENTUM, nesterov=True, **options)
    else:
        opened = {path: config.frozen_epochs + (depth - 1) * config.unfreeze_epochs for path, depth in depths.items()}
        begun = {path: epoch * steps_per_epoch // config.accumulate for path, epoch in opened.items()}
        chosen = _AdamW(begun=begun, **options)
    chosen.exclude_from_weight_decay(var_names=NOT_DECAYED)
    return chosen


def _depths(backbone: keras.Model) -> dict[str, int]:
    """In which stage each trainable variable is, by its path; 1 is the uppermost."""
    return {
        variable.path: depth
        for depth, layers in enumerate(reversed(stages(backbone)), 1)
        for layer in layers
        for variable in layer.trainable_variables
    }
