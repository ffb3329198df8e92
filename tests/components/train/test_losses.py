"""Losses and metrics, against NumPy and SciPy, and by finite differences."""

import keras
import numpy as np
import tensorflow as tf

from components.common import boxes as box_math
from components.train.losses import BoxLoss, giou, iou
from components.train.metrics import MeanIoU


def random_boxes(seed: int, n: int = 200) -> np.ndarray:
    corners = np.random.default_rng(seed).random((n, 2, 2)).astype(np.float32)
    return np.sort(corners, axis=1).reshape(n, 4)


def test_iou_agrees_with_the_numpy_one() -> None:
    a, b = random_boxes(0), random_boxes(1)
    np.testing.assert_allclose(iou(a, b), box_math.iou(a, b), atol=1e-6)


def test_giou_of_known_boxes() -> None:
    unit = np.array([[0, 0, 1, 1]], np.float32)
    np.testing.assert_allclose(giou(unit, unit), [1.0], atol=1e-6)
    beside = np.array([[1, 0, 2, 1]], np.float32)
    np.testing.assert_allclose(giou(unit, beside), [0.0], atol=1e-6)
    apart = np.array([[3, 0, 4, 1]], np.float32)
    np.testing.assert_allclose(giou(unit, apart), [-0.5], atol=1e-6)


def test_box_loss_is_zero_at_the_truth_and_its_gradient_is_that_of_finite_differences() -> None:
    truth, guess = random_boxes(0, 20).astype(np.float64), random_boxes(1, 20).astype(np.float64)
    loss = BoxLoss()
    np.testing.assert_allclose(loss.call(truth, truth), np.zeros(20), atol=1e-6)
    variable = tf.Variable(guess)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(loss.call(tf.constant(truth), variable))
    gradient = tape.gradient(total, variable).numpy()
    step = 1e-6
    for row, column in [(0, 0), (3, 1), (7, 2), (19, 3)]:
        up, down = guess.copy(), guess.copy()
        up[row, column] += step
        down[row, column] -= step
        slope = (np.sum(loss.call(truth, up)) - np.sum(loss.call(truth, down))) / (2 * step)
        np.testing.assert_allclose(gradient[row, column], slope, rtol=1e-3, atol=1e-4)


def test_mean_iou_weighs_batches_by_their_size() -> None:
    a, b = random_boxes(0, 30), random_boxes(1, 30)
    metric = MeanIoU()
    metric.update_state(keras.ops.convert_to_tensor(a[:20]), keras.ops.convert_to_tensor(b[:20]))
    metric.update_state(keras.ops.convert_to_tensor(a[20:]), keras.ops.convert_to_tensor(b[20:]))
    np.testing.assert_allclose(metric.result(), box_math.iou(a, b).mean(), atol=1e-6)
