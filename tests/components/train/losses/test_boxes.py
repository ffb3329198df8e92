"""Overlaps and box losses: against counted cells, SciPy and scikit-learn, by finite differences, and on boxes of any kind."""

import math
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import huber
from sklearn.metrics import mean_squared_log_error

from components.train.config import CHOICES, TrainConfig
from components.train.losses import box_loss, ciou, giou, iou

KINDS = CHOICES["box_loss"]
SIDE = 12  # of the grid whose cells are counted


def in_order(corners: np.ndarray) -> np.ndarray:
    return np.sort(corners.reshape(-1, 2, 2), axis=1).reshape(-1, 4)


def random_boxes(seed: int, n: int = 200) -> np.ndarray:
    return in_order(np.random.default_rng(seed).random((n, 4)))


def grid_boxes(seed: int, n: int = 100) -> np.ndarray:
    """With whole corners, 0 to `SIDE`; one in seven or so has no area."""
    return in_order(np.random.default_rng(seed).integers(0, SIDE + 1, (n, 4)))


def cells(box: np.ndarray) -> set[tuple[int, int]]:
    return {(x, y) for x in range(box[0], box[2]) for y in range(box[1], box[3])}


def loss(kind: str, truth: np.ndarray, guess: Any) -> Any:
    return box_loss(TrainConfig(box_loss=kind)).call(truth, guess)


def test_overlaps_are_those_of_counted_cells() -> None:
    first, second = grid_boxes(0), grid_boxes(1)
    overlaps, uncovered = [], []
    for a, b in zip(first, second, strict=True):
        both, either = cells(a) & cells(b), cells(a) | cells(b)
        hull = cells(np.concatenate([np.minimum(a, b)[:2], np.maximum(a, b)[2:]]))
        overlaps.append(len(both) / len(either) if either else 0)
        uncovered.append((len(hull) - len(either)) / len(hull) if hull else 0)
    np.testing.assert_allclose(iou(first / SIDE, second / SIDE), overlaps, atol=1e-12)
    generalized = np.subtract(overlaps, uncovered)
    np.testing.assert_allclose(giou(first / SIDE, second / SIDE), generalized, atol=1e-12)
    np.testing.assert_allclose(loss("giou", first / SIDE, second / SIDE), 1 - generalized, atol=1e-12)


def ciou_as_published(truth: np.ndarray, guess: np.ndarray, alpha: float | None = None) -> float:
    """Equations 6 to 11 of arXiv:1911.08287 for one pair; `alpha` as given, or theirs."""
    x1, y1, x2, y2 = truth
    u1, v1, u2, v2 = guess
    both = max(0, min(x2, u2) - max(x1, u1)) * max(0, min(y2, v2) - max(y1, v1))
    overlap = both / ((x2 - x1) * (y2 - y1) + (u2 - u1) * (v2 - v1) - both)
    distance = math.dist([(x1 + x2) / 2, (y1 + y2) / 2], [(u1 + u2) / 2, (v1 + v2) / 2])
    diagonal = math.hypot(max(x2, u2) - min(x1, u1), max(y2, v2) - min(y1, v1))
    v = 4 / math.pi**2 * (math.atan((x2 - x1) / (y2 - y1)) - math.atan((u2 - u1) / (v2 - v1))) ** 2
    alpha = v / (1 - overlap + v) if alpha is None else alpha
    return overlap - (distance / diagonal) ** 2 - alpha * v


def test_ciou_is_the_published_one() -> None:
    truth, guess = random_boxes(0), random_boxes(1)
    expected = [ciou_as_published(a, b) for a, b in zip(truth, guess, strict=True)]
    np.testing.assert_allclose(ciou(truth, guess), expected, atol=1e-6)
    np.testing.assert_allclose(loss("ciou", truth, guess), np.subtract(1, expected), atol=1e-6)


def test_known_boxes() -> None:
    unit, beside, apart, tall = np.array([[0, 0, 1, 1], [1, 0, 2, 1], [3, 0, 4, 1], [0.25, 0, 0.75, 1]])[:, None]
    np.testing.assert_allclose([giou(unit, other)[0] for other in (unit, beside, apart, tall)], [1, 0, -0.5, 0.5])
    np.testing.assert_allclose([ciou(unit, other)[0] for other in (unit, beside, apart)], [1, -1 / 5, -9 / 17], atol=1e-6)
    shape = (2 / math.pi * (math.pi / 4 - math.atan(1 / 2))) ** 2
    np.testing.assert_allclose(ciou(unit, tall), [0.5 - shape**2 / (0.5 + shape)], atol=1e-6)


def test_huber_is_scipys_and_msle_scikit_learns() -> None:
    truth, guess = random_boxes(0), random_boxes(1)
    expected = np.mean(huber(0.1, truth - guess), axis=1) / 0.1
    np.testing.assert_allclose(loss("huber", truth, guess), 10 * expected)
    np.testing.assert_allclose(loss("l1_giou", truth, guess), 5 * expected + 1 - np.array(giou(truth, guess)))
    np.testing.assert_allclose(
        loss("msle", truth, guess), mean_squared_log_error(224 * truth.T, 224 * guess.T, multioutput="raw_values")
    )


def test_msle_pulls_a_corner_back_from_beyond_the_photos_edge(slopes: Any) -> None:
    truth, guess = np.array([[0.1, 0.1, 0.9, 0.9]]), np.array([[-0.1, 0.1, 0.9, 0.9]])
    np.testing.assert_allclose(loss("msle", truth, guess), [(2 * math.log(1 + 22.4)) ** 2 / 4])
    slope = slopes.automatic(lambda boxes: loss("msle", truth, boxes), guess)
    np.testing.assert_allclose(slope, [[-224 / 23.4 * math.log(23.4), 0, 0, 0]], atol=1e-9)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "ciou"])
@pytest.mark.slow
def test_slopes_are_those_of_finite_differences(kind: str, slopes: Any) -> None:
    truth, guess = random_boxes(0, 10), random_boxes(1, 10)
    guess[0] -= 0.3  # beyond the photo's edge
    expected = slopes.finite(lambda boxes: loss(kind, truth, boxes), guess)
    np.testing.assert_allclose(slopes.automatic(lambda boxes: loss(kind, truth, boxes), guess), expected, rtol=1e-5, atol=1e-6)


def test_cious_slopes_are_those_of_finite_differences_with_a_constant_alpha(slopes: Any) -> None:
    for truth, guess in zip(random_boxes(0, 10), random_boxes(1, 10), strict=True):
        without, whole = ciou_as_published(truth, guess, alpha=0), ciou_as_published(truth, guess)
        alpha = (without - whole) / (without - ciou_as_published(truth, guess, alpha=1))
        automatic = slopes.automatic(lambda boxes, truth=truth: loss("ciou", truth, boxes)[None], guess)
        expected = slopes.finite(lambda boxes, truth=truth, alpha=alpha: -ciou_as_published(truth, boxes, alpha), guess)
        np.testing.assert_allclose(automatic, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_mean_box_costs_a_few_tenths_and_the_truth_nothing(kind: str) -> None:
    mean = np.array([[0.066, 0.219, 0.940, 0.866]])
    truth = np.clip(mean + np.random.default_rng(0).normal(0, 0.08, (500, 4)), 0, 1)
    assert 0.2 < np.mean(loss(kind, truth, np.tile(mean, (500, 1)))) < 0.8
    np.testing.assert_allclose(loss(kind, truth, truth), np.zeros(500), atol=1e-6)


def pairs(low: float = 0, high: float = 1) -> Any:
    """Two arrays of 16 boxes; hypothesis likes corners that coincide."""
    boxes = arrays(np.float32, (16, 4), elements=st.floats(low, high, width=32)).map(in_order)
    return st.tuples(boxes, boxes)


@settings(max_examples=25)
@given(pairs())
@pytest.mark.slow
def test_overlaps_keep_their_bounds(boxes: tuple[np.ndarray, np.ndarray]) -> None:
    plain, generalized, complete = (np.array(measure(*boxes)) for measure in (iou, giou, ciou))
    assert np.all((plain >= 0) & (plain <= 1 + 1e-6))
    assert np.all((generalized >= -1 - 1e-6) & (generalized <= plain + 1e-5))
    assert np.all((complete >= -1.5 - 1e-6) & (complete <= plain + 1e-6))
    np.testing.assert_allclose(plain, iou(*boxes[::-1]), atol=1e-6)
    np.testing.assert_allclose(generalized, giou(*boxes[::-1]), atol=1e-5)
    np.testing.assert_allclose(complete, ciou(*boxes[::-1]), atol=1e-5)


@settings(max_examples=60)
@given(pairs(-2, 3), st.sampled_from(KINDS), st.booleans())
@pytest.mark.slow
def test_losses_and_their_slopes_are_numbers(boxes: tuple[np.ndarray, np.ndarray], kind: str, same: bool) -> None:
    """Whether boxes are empty, coincide, or lie far apart and out of the photo."""
    truth, guess = boxes[0], tf.constant(boxes[0] if same else boxes[1])
    with tf.GradientTape() as tape:
        tape.watch(guess)
        losses = loss(kind, truth, guess)
    assert np.all(np.isfinite(losses) & (losses.numpy() > -1e-5))
    assert np.all(np.isfinite(tape.gradient(losses, guess)))


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_is_computed_in_single(kind: str) -> None:
    truth = (random_boxes(0) / 300).astype(np.float16)  # areas below float16's smallest number
    guess = (random_boxes(1) / 300).astype(np.float16)
    losses = loss(kind, truth, guess)
    assert losses.dtype == tf.float32
    np.testing.assert_allclose(losses, loss(kind, truth.astype(np.float32), guess.astype(np.float32)), rtol=1e-6)
