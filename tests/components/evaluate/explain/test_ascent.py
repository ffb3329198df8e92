"""The ascent makes a picture of the class out of noise."""

import numpy as np
import tensorflow as tf

from components.evaluate.explain.ascent import ascent
from components.evaluate.explain.network import Network


def logits(network: Network, picture: np.ndarray) -> np.ndarray:
    photo = tf.image.resize(picture[None].astype(np.float32), (network.image_px, network.image_px))
    return network.model(photo, training=False)["logits"].numpy()[0]


def test_it_raises_the_class_far_above_the_noise_it_starts_from(convolutional: Network) -> None:
    start = ascent(convolutional, 1, steps=0)
    picture = ascent(convolutional, 1, steps=24)
    assert picture.dtype == np.uint8
    assert picture.shape == (64, 64, 3)
    assert np.abs(start.astype(int) - 128).max() < 30
    before, after = logits(convolutional, start), logits(convolutional, picture)
    assert after[1] > before[1] + 3 * np.abs(before).max()
    assert after.argmax() == 1


def test_a_class_of_one_colour_becomes_that_colour_all_over(by_hand: Network) -> None:
    picture = ascent(by_hand, 0, steps=24).astype(int)
    inside = picture[16:-16, 16:-16]
    assert np.mean(inside[..., 0] > 170) > 0.9


def test_the_seed_decides(convolutional: Network) -> None:
    first, again, other = (ascent(convolutional, 0, steps=4, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
