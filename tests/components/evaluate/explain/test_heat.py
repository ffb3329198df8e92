"""Heat lies where the answer comes from, and nowhere else."""

import io

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components.evaluate.explain import heat
from components.evaluate.explain.dream import dream_layer
from components.evaluate.explain.heat import heat_maps, overlay
from components.evaluate.explain.network import Network
from components.train.config import TrainConfig
from components.train.models import build

RED, BLUE = (0, 3), (3, 0)


def png(colours: np.ndarray) -> bytes:
    """Colours `(4, 4, 3)` as a photo of eight pixels each."""
    content = io.BytesIO()
    Image.fromarray(colours.astype(np.uint8).repeat(8, 0).repeat(8, 1)).save(content, "PNG")
    return content.getvalue()


@pytest.fixture
def photo() -> bytes:
    """Red at one corner, half as red beside it; blue along the left edge."""
    colours = np.zeros((4, 4, 3))
    colours[0, 3, 0] = 200
    colours[0, 2, 0] = 100
    colours[:, 0, 2] = 255
    return png(colours)


def test_class_heat_follows_the_class_and_box_heat_the_place_that_the_box_sees(by_hand: Network, photo: bytes) -> None:
    found = heat_maps(by_hand, [photo], [0])
    expected = np.zeros((1, 4, 4), np.float32)
    expected[0, 0, 2:] = (0.5, 1)
    np.testing.assert_allclose(found.classes, expected, atol=1e-6)
    only_below_left = np.zeros((1, 4, 4), np.float32)
    only_below_left[0, 3, 0] = 1
    np.testing.assert_allclose(found.boxes, only_below_left, atol=1e-6)
    assert found.classes.dtype == found.boxes.dtype == np.float32


def test_what_has_no_heat_is_zero_everywhere(by_hand: Network, photo: bytes) -> None:
    found = heat_maps(by_hand, [photo, png(np.zeros((4, 4, 3)))], [1, 0])
    assert not found.classes.any()
    assert not found.boxes[1].any()


def test_photos_keep_their_order_and_class_across_batches(by_hand: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = []
    for place in range(5):
        colours = np.zeros((4, 4, 3))
        colours.reshape(16, 3)[place] = 255
        photos.append(png(colours))
    monkeypatch.setattr(heat, "BATCH", 2)
    found = heat_maps(by_hand, photos, [0, 0, 1, 0, 0])
    assert found.classes.reshape(5, 16).argmax(1).tolist() == [0, 1, 0, 3, 4]
    assert found.classes.any(axis=(1, 2)).tolist() == [True, True, False, True, True]


def test_overlay_is_hot_in_the_right_corner_and_leaves_cold_places_grey() -> None:
    warm = np.zeros((4, 4), np.float32)
    warm[0, 3] = 1
    shown = np.asarray(overlay(Image.new("RGB", (120, 80), (90, 90, 90)), warm)).astype(int)
    assert shown.shape == (80, 120, 3)
    assert (shown[60:, :60] == 90).all()
    assert (shown[:30, :74] == 90).all(), "colder than cold, where bicubic overshoots"
    hot = shown[:10, 110:]
    assert (hot[..., 0] - hot[..., 2] > 60).all()


@pytest.mark.parametrize(
    ("backbone", "precision", "places"),
    [
        ("hidden", "float32", 1),
        ("traditional", "float32", 2),
        ("residual", "float32", 1),
        ("MobileNetV2-0.35", "float32", 1),
        ("MobileNetV2-0.35", "mixed_bfloat16", 1),
    ],
)
@pytest.mark.slow
def test_networks_as_train_builds_them(backbone: str, precision: str, places: int, photo: bytes) -> None:
    keras.utils.set_random_seed(0)
    config = TrainConfig.of(
        {"backbone": backbone, "weights": "none", "batchnorm": "trained", "image_px": 32, "precision": precision}
    )
    network = Network(build(config, 3), ["a", "b", "c"], 32)
    found = heat_maps(network, [photo], [2])
    assert found.classes.shape == found.boxes.shape == (1, places, places)
    assert found.boxes.max() == pytest.approx(1)
    seen = dream_layer(network)(tf.zeros((2, 32, 32, 3)))
    assert seen.shape[:3] == ((2, 1, 1) if backbone == "hidden" else (2, 2, 2))
