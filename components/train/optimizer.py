"""AdamW or SGD with Nesterov momentum, whose learning rate falls from stage to stage of the backbone (Howard and Ruder, 2018,
arXiv:1801.06146, call it discriminative fine-tuning)."""

from collections.abc import Mapping
from typing import Any

import keras

from components.train.config import TrainConfig
from components.train.models.stages import stages

MOMENTUM = 0.9
NOT_DECAYED = ["bias", "gamma", "beta", "log_variances"]


class _LayerRates:
    """Of an optimizer: multiplies the learning rate of each variable by its own factor.

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
        factor = self._factors[self._get_variable_index(variable)]  # type: ignore[attr-defined]
        super().update_step(gradient, variable, learning_rate * factor)  # type: ignore[misc]


class _AdamW(_LayerRates, keras.optimizers.AdamW):
    pass


class _SGD(_LayerRates, keras.optimizers.SGD):
    pass


def optimizer(network: keras.Model, config: TrainConfig) -> keras.optimizers.Optimizer:
    """The optimizer of `network`'s training; its learning rate is set anew each step, see `schedule.py`."""
    options: dict[str, Any] = {
        "name": config.optimizer,
        "factors": _factors(network.get_layer("backbone"), config.layer_decay),
        "learning_rate": config.learning_rate,
        "weight_decay": config.weight_decay,
        "gradient_accumulation_steps": config.accumulate if config.accumulate > 1 else None,
    }
    chosen = _SGD(momentum=MOMENTUM, nesterov=True, **options) if config.optimizer == "sgd" else _AdamW(**options)
    chosen.exclude_from_weight_decay(var_names=NOT_DECAYED)
    return chosen


def _factors(backbone: keras.Model, decay: float) -> dict[str, float]:
    return {
        variable.path: decay**depth
        for depth, layers in enumerate(reversed(stages(backbone)), 1)
        for layer in layers
        for variable in layer.trainable_variables
    }
