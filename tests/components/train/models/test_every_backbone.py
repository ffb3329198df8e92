"""What holds for a network on any backbone, untrained."""

import math
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import ArrayLike

from components.train.models.stages import stages
from components.train.trainee import Trainee
from tests.components.train.models.conftest import BATCH, CLASSES, Built

pytestmark = pytest.mark.slow
MEAN_BOX = (0.1, 0.2, 0.9, 0.8)
LABELS = np.eye(CLASSES, dtype=np.float32)[np.arange(BATCH) % CLASSES]


def test_it_answers_what_it_promises(built: Built) -> None:
    answer = built.answer
    assert {name: value.shape for name, value in answer.items()} == {
        "logits": (BATCH, CLASSES),
        "box": (BATCH, 4),
        "embedding": (BATCH, 16),
    }
    assert {value.dtype.name for value in answer.values()} == {"float32"}
    assert (answer["box"][:, :2] < answer["box"][:, 2:]).all()
    np.testing.assert_allclose(np.linalg.norm(answer["embedding"], axis=1), 1, atol=1e-5)


def test_the_first_loss_is_that_of_guessing_and_the_first_box_the_mean_box(built: Built) -> None:
    _assert_guesses(built.answer)


def test_gradients_of_the_first_step_reach_every_layer(built: Built) -> None:
    trainee = Trainee(built.network, built.config)
    truth = {"logits": LABELS, "box": np.tile(np.float32([0.2, 0.3, 0.8, 0.7]), (BATCH, 1))}
    with tf.GradientTape() as tape:
        answer = trainee(built.photos, training=True)
        loss = trainee.compute_loss(y=truth, y_pred=answer)
    _assert_guesses(answer)
    layers = [layer for layer in built.network._flatten_layers() if layer._trainable_variables]
    gradients = tape.gradient(loss, [[weight.value for weight in layer._trainable_variables] for layer in layers])
    unreached = [
        layer.name
        for layer, its in zip(layers, gradients, strict=True)
        if not any(gradient is not None and np.any(gradient) for gradient in its)
    ]
    assert len(layers) > 3
    assert unreached == []


def test_it_is_saved_and_restored_by_keras_alone(built: Built, tmp_path: Path) -> None:
    built.network.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras", compile=False)
    # Asked again: training mode, in other tests, moves BatchNorm's statistics.
    answer = restored(built.photos)
    for name, value in built.network(built.photos).items():
        np.testing.assert_allclose(answer[name], value, atol=1e-5)
    assert _names(restored) == _names(built.network)


def test_each_weight_of_the_backbone_is_in_one_stage(built: Built) -> None:
    backbone = built.network.get_layer("backbone")
    grouped = stages(backbone)
    weights = [id(weight) for layers in grouped for layer in layers for weight in layer.weights]
    assert len(weights) == len(set(weights))
    assert set(weights) == {id(weight) for weight in backbone.weights}
    assert all(any(layer.trainable_weights for layer in layers) for layers in grouped)
    assert len(grouped) == {"hidden": 1, "traditional": 3, "ConvNeXtTiny": 4}.get(built.config.backbone, 5)


def test_freezing_does_not_change_the_stages(built: Built) -> None:
    backbone = built.network.get_layer("backbone")
    before = _names(built.network)
    backbone.trainable = False
    assert _names(built.network) == before
    backbone.trainable = True


def _assert_guesses(answer: Mapping[str, ArrayLike]) -> None:
    loss = float(np.mean(keras.losses.categorical_crossentropy(LABELS, answer["logits"], from_logits=True)))
    assert abs(loss / math.log(CLASSES) - 1) < 0.05
    np.testing.assert_allclose(answer["box"], np.tile(MEAN_BOX, (BATCH, 1)), atol=0.003)


def _names(network: keras.Model) -> list[list[str]]:
    return [[layer.name for layer in layers] for layers in stages(network.get_layer("backbone"))]
