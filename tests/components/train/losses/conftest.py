"""Slopes by automatic and by finite differences."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

Loss = Callable[[np.ndarray], tf.Tensor]


class Slopes:
    """The slopes of the sum of a loss `(n,)` of an array."""

    @staticmethod
    def automatic(loss: Loss, at: np.ndarray) -> np.ndarray:
        variable = tf.Variable(at)
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(loss(variable))
        return tape.gradient(total, variable).numpy()

    @staticmethod
    def finite(loss: Loss, at: np.ndarray, step: float = 1e-6) -> np.ndarray:
        slopes = np.zeros_like(at)
        for place in np.ndindex(at.shape):
            shift = np.zeros_like(at)
            shift[place] = step
            slopes[place] = (np.sum(loss(at + shift)) - np.sum(loss(at - shift))) / (2 * step)
        return slopes


@pytest.fixture
def slopes() -> Slopes:
    return Slopes()
