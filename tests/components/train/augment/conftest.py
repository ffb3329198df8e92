"""The policies under one NumPy-facing call, and photos to try them on."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from components.train.augment import graph, imgaug, seed

Photos = NDArray[np.uint8]
Boxes = NDArray[np.float32]
Policy = Callable[[Photos, Boxes, int, float], tuple[Photos, Boxes]]


def _in_graph(photos: Photos, boxes: Boxes, seed: int, strength: float) -> tuple[Photos, Boxes]:
    augmented, moved = graph.augment(tf.constant(photos), tf.constant(boxes), tf.constant([0, seed], tf.int64), strength)
    return augmented.numpy(), moved.numpy()


POLICIES: dict[str, Policy] = {"imgaug": imgaug.augment, "seed": seed.augment, "graph": _in_graph}


@pytest.fixture(params=["imgaug", "seed", pytest.param("graph", marks=pytest.mark.slow)])  # graph compiles for seconds a shape
def augment(request: pytest.FixtureRequest) -> Policy:
    """Each policy's `augment`."""
    return POLICIES[request.param]


@pytest.fixture
def policies() -> dict[str, Policy]:
    return POLICIES


@pytest.fixture
def scenes() -> Callable[[int, int, int], Photos]:
    """Makes `count` photos of overlapping discs with a grain: edges and areas of every size, more light than hue, as in photos."""

    def make(count: int, height: int, width: int) -> Photos:
        rng = np.random.default_rng(count)
        made = np.zeros((count, height, width, 3), np.uint8)
        for photo in made:
            for radius in min(height, width) / np.linspace(2, 40, 200):
                centre = rng.integers(0, (width, height)).tolist()
                color = rng.integers(30, 190) + rng.integers(-25, 26, 3)
                cv2.circle(photo, centre, max(1, round(radius)), color.tolist(), -1)
        return made + rng.integers(0, 20, made.shape, np.uint8)

    return make


@pytest.fixture
def boxes() -> Callable[[int, float, float], Boxes]:
    """Makes boxes anywhere in the frame, with sides from `low` to `high` of the photo's."""

    def make(count: int, low: float, high: float) -> Boxes:
        rng = np.random.default_rng(count)
        sides = rng.uniform(low, high, (count, 2))
        origins = rng.uniform(0, 1 - sides)
        return np.concatenate([origins, origins + sides], -1).astype(np.float32)

    return make
