"""The dream makes what a layer sees stronger, in photos of any size."""

import numpy as np
import pytest
import tensorflow as tf

from components.common.errors import UserError
from components.evaluate.explain.dream import STEP_SIZE, dream, dream_layer
from components.evaluate.explain.network import Network


@pytest.fixture
def photo() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(90, 160, (6, 9, 3)).repeat(8, 0).repeat(8, 1).astype(np.uint8)


def activation(network: Network, photo: np.ndarray, layer: str) -> float:
    tiles = [photo[y : y + 32, x : x + 32] for y in (0, 16) for x in (0, 20, 40)]
    return float(tf.reduce_mean(tf.square(dream_layer(network, layer)(np.stack(tiles).astype(np.float32)))))


@pytest.mark.parametrize("layer", ["", "conv1"])
def test_it_raises_the_activation_and_keeps_size_and_photo(convolutional: Network, photo: np.ndarray, layer: str) -> None:
    dreamt = dream(convolutional, photo, layer=layer, steps=20)
    assert dreamt.dtype == np.uint8
    assert dreamt.shape == photo.shape == (48, 72, 3)
    assert activation(convolutional, dreamt, layer) > 2 * activation(convolutional, photo, layer)
    assert np.corrcoef(dreamt.ravel(), photo.ravel())[0, 1] > 0.5


def test_small_octaves_reach_the_full_size(convolutional: Network, photo: np.ndarray) -> None:
    dreamt = dream(convolutional, photo, octaves=4, steps=3)
    in_the_last_octave_alone = 3 * STEP_SIZE
    assert np.abs(dreamt.astype(float) - photo).mean() > 1.15 * in_the_last_octave_alone


@pytest.mark.parametrize("shape", [(5, 90, 3), (33, 31, 3), (1, 1, 3)])
def test_photos_smaller_than_a_tile_and_narrow_ones(convolutional: Network, shape: tuple[int, ...]) -> None:
    assert dream(convolutional, np.full(shape, 99, np.uint8), octaves=2, steps=2).shape == shape


def test_no_place_is_left_out(convolutional: Network) -> None:
    plain = np.full((70, 100, 3), 99, np.uint8)
    changed = (dream(convolutional, plain, octaves=1, steps=6) != plain).any(axis=2)
    assert changed.mean() > 0.95


def test_a_photo_that_the_layer_does_not_see_stays(by_hand: Network) -> None:
    black = np.zeros((40, 40, 3), np.uint8)
    np.testing.assert_array_equal(dream(by_hand, black, steps=2), black)


def test_the_seed_decides(convolutional: Network, photo: np.ndarray) -> None:
    first, again, other = (dream(convolutional, photo, steps=2, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_a_layer_that_is_not_there(convolutional: Network, photo: np.ndarray) -> None:
    with pytest.raises(UserError, match="layer: expected one of the backbone's 5, received 'conv7'; such as conv"):
        dream(convolutional, photo, layer="conv7")
