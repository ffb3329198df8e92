"""Averaged weights against averages worked out by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.train.averages import Averages, reestimate_batchnorm
from components.train.config import TrainConfig


def network() -> keras.Model:
    dropout = keras.layers.Dropout(0.5)
    return keras.Sequential([keras.Input((2,)), keras.layers.BatchNormalization(), dropout, keras.layers.Dense(1)])


def plain() -> tf.data.Dataset:
    photos = np.random.default_rng(0).normal(3.0, 2.0, (50, 8, 2)).astype(np.float32)
    return tf.data.Dataset.from_tensor_slices((photos, np.zeros(50)))


def run(config: TrainConfig, values: list[float], steps_per_epoch: int = 1) -> tuple[keras.Model, Averages]:
    model = network()
    averages = Averages(model, config, len(values), steps_per_epoch)
    for step, value in enumerate(values):
        model.layers[-1].bias.assign([value])
        averages.update(step)
    return model, averages


def test_an_exponential_average_that_forgets_the_random_weights() -> None:
    values = [1.0, 2.0, 4.0, 8.0]
    expected = 0.0
    for step, value in enumerate(values):
        decay = min(0.3, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
    model, averages = run(TrainConfig(ema=0.3), values)
    with averages.applied(2, plain()):
        assert float(model.layers[-1].bias[0]) == pytest.approx(expected)
    assert float(model.layers[-1].bias[0]) == 8.0


def test_swa_is_the_mean_of_the_last_epochs_ends() -> None:
    values = [float(value) for value in range(1, 13)]
    model, averages = run(TrainConfig(swa=0.5), values, steps_per_epoch=2)
    with averages.applied(11, plain()):
        assert float(model.layers[-1].bias[0]) == 12.0
    with averages.applied(12, plain()):
        assert float(model.layers[-1].bias[0]) == pytest.approx(np.mean([8.0, 10.0, 12.0]))


def test_after_swa_batchnorm_has_the_statistics_of_the_photos() -> None:
    model, averages = run(TrainConfig(swa=0.5), [1.0, 2.0])
    with averages.applied(2, plain()):
        np.testing.assert_allclose(model.layers[0].moving_mean, np.full(2, 3.0), atol=0.3)
        np.testing.assert_allclose(model.layers[0].moving_variance, np.full(2, 4.0), rtol=0.3)
    np.testing.assert_allclose(model.layers[0].moving_mean, np.zeros(2))
    assert model.layers[0].momentum == 0.99


def test_frozen_batchnorm_is_left_alone() -> None:
    model = network()
    model.layers[0].trainable = False
    reestimate_batchnorm(model, plain())
    np.testing.assert_allclose(model.layers[0].moving_mean, np.zeros(2))


def test_without_either_nothing_is_kept() -> None:
    model, averages = run(TrainConfig(), [1.0])
    assert averages.variables == []
    with averages.applied(1, plain()):
        assert float(model.layers[-1].bias[0]) == 1.0
