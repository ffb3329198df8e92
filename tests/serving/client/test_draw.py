"""The annotated photo: a red box that shows on any background, also on red, and a label that stays in the frame."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from serving.client.draw import RED, output_paths, save_annotated
from serving.client.wire import Prediction


def annotated(data: bytes, box: tuple[float, float, float, float], path: Path) -> np.ndarray:
    save_annotated(data, Prediction(["a car with a rather long name 2012"], [0.93], box, 1), path, "photo")
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def near(pixels: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.abs(pixels - colour).max(axis=-1) < 60


@pytest.mark.parametrize("background", ["red", "black", "white", "gray"])
def test_box_and_label_show_on_any_background(background: str, tmp_path: Path, photo: Callable[..., bytes]) -> None:
    pixels = annotated(photo(background, (800, 600)), (200, 300, 600, 500), tmp_path / "out.jpg")
    left_edge = pixels[400, 190:215]
    assert near(left_edge, RED).any()
    assert background == "white" or near(left_edge, (255, 255, 255)).any()
    assert near(pixels[270:300, 200:600], (255, 255, 255)).sum() > 100
    assert np.abs(pixels[400, 400] - pixels[590, 790]).max() < 8


@pytest.mark.parametrize("box", [(-50.0, -20.0, 900.0, 900.0), (300.0, 10.0, 100.0, 5.0), (0.0, 595.0, 800.0, 600.0)])
def test_odd_boxes_keep_the_label_inside(box: tuple[float, ...], tmp_path: Path, photo: Callable[..., bytes]) -> None:
    pixels = annotated(photo("black", (800, 600)), box, tmp_path / "out.jpg")
    assert pixels.shape == (600, 800, 3)
    assert near(pixels, (255, 255, 255)).sum() > 100


def test_a_small_photo_is_enlarged_with_its_box(tmp_path: Path, photo: Callable[..., bytes]) -> None:
    pixels = annotated(photo("black", (120, 60)), (30, 30, 90, 50), tmp_path / "out.jpg")
    assert pixels.shape == (240, 480, 3)
    assert near(pixels[160, 116:126], RED).any()
    assert [path.name for path in tmp_path.iterdir()] == ["out.jpg"]


def test_photos_of_one_name_do_not_overwrite_each_other() -> None:
    paths = output_paths([Path("a/car.jpg"), Path("b/car.png"), Path("car-predicted.jpg")], Path("out"))
    assert [path.name for path in paths] == ["car-predicted.jpg", "car-predicted-2.jpg", "car-predicted-predicted.jpg"]


def test_no_photo_is_overwritten_where_they_are_saved_beside_them() -> None:
    paths = output_paths([Path("cars/car.jpg"), Path("cars/car-predicted.jpg")], Path("cars/../cars"))
    assert [path.name for path in paths] == ["car-predicted-2.jpg", "car-predicted-predicted.jpg"]
