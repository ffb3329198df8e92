"""Each check of an untrained network: the sound one passes, one that is broken in a way that the check is for does not."""

import dataclasses

import keras
import numpy as np
import pytest

from components.train.reader import Batch
from components.train.sanity.checks import Check, gradients_reach_every_layer, initial_loss, l2_raises_the_loss
from components.train.trainee import Trainee
from tests.components.train.sanity.conftest import CONFIG, Make

FOCAL = {"class_loss": "focal", "focal_gamma": 2.0, "focal_alpha": 0.25}


def first_loss(trainee: Trainee, batch: Batch, *, training: bool = False, **settings: object) -> Check:
    return initial_loss(trainee, dataclasses.replace(CONFIG, **settings), [batch, batch], training=training)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("settings", "expected"), [({}, 1.0986), (FOCAL, 0.1221)])
def test_the_first_loss_is_that_of_guessing(
    make: Make, batch: Batch, settings: dict[str, object], expected: float, training: bool
) -> None:
    check = first_loss(make(**settings), batch, training=training, **settings)
    assert check.passed
    assert f"= {expected} ±" in check.expected
    assert float(check.found) == pytest.approx(expected, rel=0.01)


def test_a_class_loss_of_the_wrong_sign_is_caught(make: Make, batch: Batch) -> None:
    trainee = make()
    right = trainee._class_loss.call
    trainee._class_loss.call = lambda y_true, y_pred: -right(y_true, y_pred)
    check = first_loss(trainee, batch)
    assert not check.passed
    assert check.found.startswith("-1.09")


def test_a_class_head_that_knows_before_it_learned_is_caught(make: Make, batch: Batch) -> None:
    trainee = make()
    kernel = trainee.network.get_layer("logits").kernel
    kernel.assign(np.random.default_rng(0).normal(size=kernel.shape))
    assert not first_loss(trainee, batch).passed


def test_labels_that_are_not_one_hot_are_caught(make: Make, batch: Batch) -> None:
    photos, truth = batch
    assert not first_loss(make(), (photos, {**truth, "logits": truth["logits"] * 2})).passed


def test_the_penalty_raises_the_loss(make: Make, batch: Batch) -> None:
    check = l2_raises_the_loss(make(), make(l2=1e2), batch)
    assert check.passed
    kernel = make().network.get_layer("logits").kernel.numpy()
    assert float(check.found) - float(check.expected.split()[-1]) == pytest.approx(1e2 * np.sum(kernel**2), rel=0.1)


def test_a_penalty_that_does_not_arrive_is_caught(make: Make, batch: Batch) -> None:
    class Forgetful(Trainee):
        losses = ()

    assert not l2_raises_the_loss(make(Forgetful), make(Forgetful, l2=1e2), batch).passed


@pytest.mark.parametrize("settings", [{}, {"embedding": 4, "metric_loss": "proxy", "head_weights": "learned"}])
def test_gradients_reach_a_sound_network(make: Make, batch: Batch, settings: dict[str, object]) -> None:
    check = gradients_reach_every_layer(make(**settings), batch)
    assert check.passed, check.found
    assert check.found == "all"


@pytest.mark.parametrize("head", ["logits", "box_center_size"])
def test_a_frozen_head_is_caught(make: Make, batch: Batch, head: str) -> None:
    trainee = make()
    trainee.network.get_layer(head).trainable = False
    check = gradients_reach_every_layer(trainee, batch)
    assert not check.passed
    assert check.found == f"{head} is frozen"


def test_dead_units_are_caught(make: Make, batch: Batch) -> None:
    trainee = make()
    hidden = trainee.network.get_layer("backbone").get_layer("hidden")
    hidden.bias.assign(keras.ops.full(hidden.bias.shape, -100.0))
    assert "none in hidden/kernel" in gradients_reach_every_layer(trainee, batch).found


def test_kernels_of_zeros_are_caught(make: Make, batch: Batch) -> None:
    trainee = make()
    for name in ("logits", "box_center_size"):
        kernel = trainee.network.get_layer(name).kernel
        kernel.assign(keras.ops.zeros(kernel.shape))
    check = gradients_reach_every_layer(trainee, batch)
    assert "none in hidden/kernel" in check.found
    assert "more" in check.found


def test_an_output_that_no_loss_looks_at_is_caught(make: Make, batch: Batch) -> None:
    assert "none in logits/kernel" in gradients_reach_every_layer(make(class_weight=0.0), batch).found


def test_a_gradient_that_is_no_number_is_caught(make: Make, batch: Batch) -> None:
    trainee = make()
    bias = trainee.network.get_layer("box_center_size").bias
    bias.assign([0.0, 0.0, np.nan, 0.0])
    assert "not finite in" in gradients_reach_every_layer(trainee, batch).found
