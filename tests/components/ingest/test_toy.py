"""The toy set: the official layout, exact boxes, the same bytes for the same query."""

import io
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image, ImageDraw

from components.common import boxes
from components.common.errors import UserError
from components.ingest.toy import scene
from components.ingest.toy.bodies import BODIES
from components.ingest.toy.car import car_box, draw_car
from components.ingest.toy.traits import TRAITS
from components.ingest.toy.write import ToyQuery, class_name, parse_query, write_toy


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_same_query_same_bytes(tmp_path: Path) -> None:
    query = ToyQuery(classes=2, per_class=5, seed=3)
    first, second = (_contents(write_toy(tmp_path / name, query)) for name in ("a", "b"))
    assert first == second
    other = _contents(write_toy(tmp_path / "c", ToyQuery(classes=2, per_class=5, seed=4)))
    assert other["cars_train/00001.jpg"] != first["cars_train/00001.jpg"]


def test_annotations_bear_no_time(toy_folder: Path) -> None:
    assert (toy_folder / "cars_test_annos_withlabels.mat").read_bytes().startswith(b"MATLAB 5.0 MAT-file, toy cars ")


def test_the_official_layout(toy_folder: Path) -> None:
    assert len(list((toy_folder / "cars_train").iterdir())) == 24
    assert len(list((toy_folder / "cars_test").iterdir())) == 6
    meta = scipy.io.loadmat(toy_folder / "devkit" / "cars_meta.mat")
    assert [str(name[0]) for name in meta["class_names"][0]] == [class_name(label) for label in range(3)]
    train = scipy.io.loadmat(toy_folder / "devkit" / "cars_train_annos.mat")["annotations"]
    assert train.shape == (1, 24)
    assert train.dtype.names == ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "fname")
    assert sorted(int(row["class"].item()) for row in train[0]) == [1] * 8 + [2] * 8 + [3] * 8
    trap = scipy.io.loadmat(toy_folder / "devkit" / "cars_test_annos.mat")["annotations"]
    assert "class" not in trap.dtype.names


@pytest.mark.parametrize("label", range(0, len(BODIES) * len(TRAITS), 11))
def test_a_car_fills_its_picture(label: int) -> None:
    trait, body = divmod(label, len(BODIES))
    car = draw_car(BODIES[body], trait, 100, np.random.default_rng(label))
    assert car_box(car) == (0, 0, *car.size)


@pytest.mark.parametrize("seed", range(12))
def test_the_box_is_where_the_car_is(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a magenta disc for a car and nothing before it, the magenta pixels span the box, to the pixel or two that JPEG blurs."""
    disc = Image.new("RGBA", (90, 50))
    ImageDraw.Draw(disc).ellipse((0, 0, 89, 49), fill=(255, 0, 255, 255))
    monkeypatch.setattr(scene, "draw_car", lambda *_: disc)
    monkeypatch.setattr(scene, "_hide_a_little", lambda *_: None)
    jpeg, box = scene.draw_photo(BODIES[0], 0, np.random.default_rng(seed))
    red, green, blue = np.moveaxis(np.asarray(Image.open(io.BytesIO(jpeg)), int), -1, 0)
    rows, columns = np.nonzero((red - green > 70) & (blue - green > 70))
    np.testing.assert_allclose([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], box, atol=2)


@pytest.mark.parametrize("label", range(0, len(BODIES) * len(TRAITS), 7))
def test_photos_and_their_boxes(label: int) -> None:
    trait, body = divmod(label, len(BODIES))
    jpeg, box = scene.draw_photo(BODIES[body], trait, np.random.default_rng(label))
    photo = Image.open(io.BytesIO(jpeg))
    assert 128 <= photo.width <= 192
    assert boxes.clip(box, photo.width, photo.height).tolist() == list(box)
    assert box[2] - box[0] >= 0.3 * photo.width


def test_every_class_has_a_name_of_its_own() -> None:
    names = [class_name(label) for label in range(len(BODIES) * len(TRAITS))]
    assert len(set(names)) == len(names) >= 196


def test_queries() -> None:
    assert parse_query("toy://?classes=5&seed=9") == ToyQuery(classes=5, per_class=60, seed=9)
    assert parse_query("toy://") == ToyQuery()


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("toy://?classes=197", "expected classes from 2 to 196, received 197"),
        ("toy://?per_class=4", "expected per_class from 5"),
        ("toy://?seed=-1", "expected seed from 0"),
        ("toy://?classes=many", "whole numbers"),
        ("toy://?colour=3", "whole numbers"),
        ("toy://?classes=3&classes=4", "whole numbers"),
        ("toy://classes=3", "whole numbers"),
        ("toy://?classes", "whole numbers"),
        ("toy:?classes=3/4", "whole numbers"),
    ],
)
def test_wrong_queries(uri: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_query(uri)
