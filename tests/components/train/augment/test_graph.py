"""Augmentation: the box follows what it frames, and never loses it."""

import numpy as np
import tensorflow as tf

from components.common import boxes as box_math
from components.train.augment.graph import KEPT_SIDE, augment

SIDE = 64


def rectangles(n: int) -> tuple[np.ndarray, np.ndarray]:
    """White rectangles on black, and their boxes in pixels."""
    rng = np.random.default_rng(0)
    low = rng.integers(0, SIDE // 2, (n, 2))
    high = low + rng.integers(16, SIDE // 2 + 1, (n, 2))
    photos = np.zeros((n, SIDE, SIDE, 3), np.uint8)
    for photo, (x1, y1), (x2, y2) in zip(photos, low, high, strict=True):
        photo[y1:y2, x1:x2] = 255
    return photos, np.concatenate([low, high], axis=1).astype(np.float32)


def surviving(photo: np.ndarray) -> list[int]:
    rows, columns = np.nonzero(photo.mean(axis=-1) > 80)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def run(n: int, seed: int = 0, crop: float = 0.5, color: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    photos, boxes = rectangles(n)
    photos, moved = augment(tf.constant(photos), tf.constant(boxes / SIDE), tf.constant([seed, 1], tf.int64), crop, color)
    return photos.numpy(), moved.numpy()


def test_the_box_follows_the_rectangle() -> None:
    photos, moved = run(500)
    found = np.array([surviving(photo) for photo in photos], np.float32)
    iou = box_math.iou(moved * SIDE, found)
    assert np.median(iou) >= 0.93
    assert np.percentile(iou, 5) >= 0.85


def test_most_of_the_box_stays_in_view() -> None:
    _, boxes = rectangles(500)
    for crop in (0.0, 0.5, 0.9):
        _, moved = run(500, crop=crop)
        sides = (moved[:, 2:] - moved[:, :2]) * SIDE
        assert (sides >= KEPT_SIDE * (boxes[:, 2:] - boxes[:, :2]) - 1e-3).all()
        assert moved.min() >= 0
        assert moved.max() <= 1


def test_half_are_mirrored_and_crops_vary() -> None:
    _, boxes = rectangles(500)
    _, moved = run(500, crop=0.0, color=0.0)
    mirrored = ~np.isclose(moved * SIDE, boxes, atol=0.01).all(axis=1)
    assert 0.4 < mirrored.mean() < 0.6
    _, cropped = run(500, crop=0.5)
    assert np.std(cropped[:, 2] - cropped[:, 0]) > np.std(moved[:, 2] - moved[:, 0])


def test_the_seed_decides() -> None:
    for first, second in zip(run(8, seed=1), run(8, seed=1), strict=True):
        np.testing.assert_array_equal(first, second)
    assert not np.array_equal(run(8, seed=1)[0], run(8, seed=2)[0])


def test_no_augmentation_changes_no_pixel_but_mirrors() -> None:
    photos, _ = rectangles(50)
    drawn, _ = run(50, crop=0.0, color=0.0)
    same = np.array([np.array_equal(a, b) or np.array_equal(a[:, ::-1], b) for a, b in zip(photos, drawn, strict=True)])
    assert same.all()
