"""Class losses against SciPy and scikit-learn, by finite differences, and where probabilities round to 0 and 1."""

import math
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import logsumexp
from scipy.stats import entropy

from components.train.config import TrainConfig
from components.train.losses import class_loss

CLASSES = 5
LABELS = np.eye(CLASSES)[np.arange(20) % CLASSES]
SOFT = 0.7 * LABELS + 0.3 * LABELS[::-1]
LOGITS = np.random.default_rng(0).normal(0, 3, LABELS.shape)


def loss(logits: Any, labels: np.ndarray = LABELS, **settings: Any) -> Any:
    return class_loss(TrainConfig(**{"label_smoothing": 0.0, **settings})).call(labels, logits)


def focal_as_published(labels: np.ndarray, logits: np.ndarray, gamma: float, alpha: float) -> list[float]:
    """Photo by photo, class by class."""
    totals = []
    for row, scores in zip(labels, logits, strict=True):
        shares = [math.exp(score - logsumexp(scores)) for score in scores]
        totals.append(sum(alpha * (1 - p) ** gamma * y * -math.log(p) for y, p in zip(row, shares, strict=True)))
    return totals


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("labels", [LABELS, SOFT])
def test_cross_entropy_is_the_divergence_and_the_entropy_of_the_smoothed_labels(labels: np.ndarray, smoothing: float) -> None:
    smoothed = (1 - smoothing) * labels + smoothing / CLASSES
    shares = np.exp(LOGITS - logsumexp(LOGITS, axis=1, keepdims=True))
    expected = entropy(smoothed, shares, axis=1) + entropy(smoothed, axis=1)
    np.testing.assert_allclose(loss(LOGITS, labels, label_smoothing=smoothing), expected)


@pytest.mark.parametrize(("gamma", "alpha", "smoothing"), [(2, 1, 0), (0.5, 0.25, 0), (3, 1, 0.1)])
@pytest.mark.parametrize("labels", [LABELS, SOFT])
def test_focal_is_the_published_one(labels: np.ndarray, gamma: float, alpha: float, smoothing: float) -> None:
    settings = {"focal_gamma": gamma, "focal_alpha": alpha, "label_smoothing": smoothing}
    expected = focal_as_published((1 - smoothing) * labels + smoothing / CLASSES, LOGITS, gamma, alpha)
    np.testing.assert_allclose(loss(LOGITS, labels, class_loss="focal", **settings), expected)


@settings(max_examples=40)
@given(arrays(np.float32, (4, 3), elements=st.floats(-100, 100, width=32)), st.sampled_from([0.0, 0.1]))
def test_focal_of_gamma_0_and_alpha_1_is_the_cross_entropy(logits: np.ndarray, smoothing: float) -> None:
    labels = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    focal = loss(logits, labels, class_loss="focal", focal_gamma=0, focal_alpha=1, label_smoothing=smoothing)
    np.testing.assert_allclose(focal, loss(logits, labels, label_smoothing=smoothing), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["crossentropy", "focal"])
def test_slopes_are_those_of_finite_differences(kind: str, slopes: Any) -> None:
    def of(logits: Any) -> Any:
        return loss(logits, SOFT[:6], class_loss=kind, label_smoothing=0.1)

    np.testing.assert_allclose(slopes.automatic(of, LOGITS[:6]), slopes.finite(of, LOGITS[:6]), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("settings", [{"class_loss": "crossentropy"}] + [{"focal_gamma": gamma} for gamma in (0, 0.5, 1, 2)])
def test_the_sure_and_wrong_are_corrected_and_the_sure_and_right_left_alone(settings: dict[str, Any], slopes: Any) -> None:
    labels = np.eye(3, dtype=np.float32)[[0, 0]]
    logits = np.array([[-50, 50, 0], [50, -50, 0]], np.float32)
    np.testing.assert_allclose(loss(logits, labels, **{"class_loss": "focal", **settings}), [100, 0], atol=1e-5)
    automatic = slopes.automatic(lambda x: loss(x, labels, **{"class_loss": "focal", **settings}), logits)
    np.testing.assert_allclose(automatic, [[-1, 1, 0], [0, 0, 0]], atol=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_guessing_costs_ln_c(smoothing: float) -> None:
    uniform = loss(np.zeros((1, 196)), np.eye(196)[:1], label_smoothing=smoothing)
    np.testing.assert_allclose(uniform, [math.log(196)])
    focal = loss(np.zeros((1, 196)), np.eye(196)[:1], class_loss="focal", label_smoothing=smoothing)
    np.testing.assert_allclose(focal, [math.log(196) * (1 - 1 / 196) ** 2])


@pytest.mark.parametrize("kind", ["crossentropy", "focal"])
def test_half_precision_is_computed_in_single(kind: str) -> None:
    halves = LOGITS.astype(np.float16)
    losses = loss(halves, LABELS.astype(np.float32), class_loss=kind, label_smoothing=0.1)
    assert losses.dtype == tf.float32
    exact = loss(halves.astype(np.float64), class_loss=kind, label_smoothing=0.1)
    np.testing.assert_allclose(losses, exact, rtol=1e-5)
