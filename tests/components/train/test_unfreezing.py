"""Which layers move when."""

import itertools

import keras
import numpy as np
import pytest

from components.train.config import TrainConfig
from components.train.models import build
from components.train.models.stages import stages
from components.train.optimizer import optimizer
from components.train.unfreezing import set_trainable

CONFIG = TrainConfig(backbone="MobileNetV2-0.35", weights="none", batchnorm="trained", image_px=64)


def opened(network: keras.Model) -> list[bool]:
    """Whether each stage of the backbone is trained, bottom to top."""
    return [any(layer.trainable for layer in group) for group in stages(network.get_layer("backbone"))]


def test_heads_first_then_a_stage_at_a_time_from_the_top() -> None:
    config = TrainConfig.of({**vars(CONFIG), "frozen_epochs": 2, "unfreeze_epochs": 3})
    network = build(config, 4)
    count = len(stages(network.get_layer("backbone")))
    for epoch, expected in [(0, 0), (1, 0), (2, 1), (4, 1), (5, 2), (99, count)]:
        assert set_trainable(network, config, epoch) == expected
        assert opened(network) == [False] * (count - expected) + [True] * expected
        assert network.get_layer("logits").trainable


def test_the_first_layers_and_frozen_batchnorm_stay_as_they_are() -> None:
    config = TrainConfig.of({**vars(CONFIG), "frozen_layers": 10, "weights": "imagenet", "batchnorm": "frozen"})
    network = build(CONFIG, 4)
    set_trainable(network, config, 5)
    backbone = network.get_layer("backbone")
    for number, layer in enumerate(layer for layer in backbone.layers):
        if layer.weights:
            assert layer.trainable == (number >= 10 and not isinstance(layer, keras.layers.BatchNormalization))
    assert network.get_layer("box_norm").trainable


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
@pytest.mark.slow
def test_lower_stages_move_less(kind: str) -> None:
    keras.utils.set_random_seed(0)
    config = TrainConfig.of({**vars(CONFIG), "layer_decay": 0.1, "optimizer": kind, "weight_decay": 0.0})
    network = build(config, 4)
    chosen = optimizer(network, config)
    variables = network.trainable_variables
    chosen.build(variables)
    chosen.learning_rate = 1.0
    before = {variable.path: np.array(variable) for variable in variables}
    chosen.apply([keras.ops.ones_like(variable) for variable in variables])
    moved = {variable.path: float(np.abs(np.array(variable) - before[variable.path]).max()) for variable in variables}
    head = moved["logits/kernel"]
    for depth, layers in enumerate(reversed(stages(network.get_layer("backbone"))), 1):
        for variable in (variable for layer in layers for variable in layer.trainable_variables):
            assert moved[variable.path] == pytest.approx(head * 0.1**depth, rel=0.02, abs=2e-7)


def decayed_once(config: TrainConfig) -> keras.Model:
    """A network of ones after a step of rate 1 without any gradient."""
    network = build(config, 4)
    chosen = optimizer(network, config)
    variables = network.trainable_variables
    chosen.build(variables)
    for variable in variables:
        variable.assign(keras.ops.ones_like(variable))
    chosen.learning_rate = 1.0
    chosen.apply([keras.ops.zeros_like(variable) for variable in variables])
    return network


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
@pytest.mark.slow
def test_lower_stages_decay_less(kind: str) -> None:
    config = TrainConfig.of({**vars(CONFIG), "layer_decay": 0.1, "optimizer": kind, "weight_decay": 0.5})
    network = decayed_once(config)
    for depth, layers in enumerate(reversed(stages(network.get_layer("backbone"))), 1):
        for variable in (variable for layer in layers for variable in layer.trainable_variables if variable.name == "kernel"):
            np.testing.assert_allclose(np.array(variable), 1 - 0.5 * 0.1**depth, rtol=1e-5)


def test_layers_that_join_later_take_first_steps_of_the_same_size() -> None:
    config = TrainConfig.of({**vars(CONFIG), "frozen_epochs": 2, "weight_decay": 0.0})
    network = build(config, 4)
    chosen = optimizer(network, config, steps_per_epoch=10)
    chosen.build(network.trainable_variables)
    chosen.learning_rate = 1.0
    late, head = network.get_layer("backbone").trainable_variables[0], network.get_layer("logits").kernel

    def steps(variable: keras.Variable, count: int) -> list[float]:
        """How far each of them goes, all with the same gradient."""
        places = [np.array(variable)]
        for _ in range(count):
            chosen.apply([keras.ops.ones_like(variable)], [variable])
            places.append(np.array(variable))
        return [float(np.abs(after - before).max()) for before, after in itertools.pairwise(places)]

    np.testing.assert_allclose(steps(head, 20) + steps(late, 20), 1, rtol=1e-4)


def test_biases_and_norms_do_not_decay() -> None:
    config = TrainConfig.of({**vars(CONFIG), "weight_decay": 0.5})
    network = decayed_once(config)
    for variable in network.trainable_variables:
        decayed = variable.path.endswith("kernel")
        np.testing.assert_allclose(np.array(variable), 0.5 if decayed else 1.0, err_msg=variable.path)
