"""The Stanford layout as people keep it, and what is said when a part is missing."""

import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from components.common.errors import UserError
from components.ingest.listing import Listing
from components.ingest.stanford import BOX_FIELDS, is_stanford, read_stanford

LIMIT = 1 << 26
LABELS = "cars_test_annos_withlabels.mat"


@pytest.fixture
def cars(toy_folder: Path, tmp_path: Path) -> Path:
    """A copy of the toy folder."""
    return shutil.copytree(toy_folder, tmp_path / "cars")


def _read(folder: Path, tmp_path: Path) -> Listing:
    assert is_stanford(folder)
    return read_stanford(folder, tmp_path / "scratch", max_bytes=LIMIT)


def _summary(listing: Listing) -> list[tuple]:
    return [(p.file, p.label, p.box, p.split, p.path.read_bytes()) for p in listing.photos]


def _as_tgz(folder: Path, name: str, archive: str, inside: str) -> None:
    with tarfile.open(folder / archive, "w:gz") as tar:
        tar.add(folder / name, inside)
    shutil.rmtree(folder / name)


def _as_zip(folder: Path, name: str, archive: str) -> None:
    with zipfile.ZipFile(folder / archive, "w") as packed:
        for path in (folder / name).iterdir():
            packed.write(path, f"{name}/{path.name}")
    shutil.rmtree(folder / name)


def _one_deeper(folder: Path, name: str, outer: str) -> None:
    (folder / "held").mkdir()
    (folder / name).rename(folder / "held" / name)
    (folder / "held").rename(folder / outer)


def test_boxes_and_classes_start_from_zero(tmp_path: Path) -> None:
    for name in ("cars_train", "cars_test", "devkit"):
        (tmp_path / name).mkdir()
    row = np.array([[(1, 2, 30, 40, 2, "a.jpg")]], dtype=[(name, object) for name in (*BOX_FIELDS, "class", "fname")])
    for path in (tmp_path / LABELS, tmp_path / "devkit" / "cars_train_annos.mat"):
        scipy.io.savemat(path, {"annotations": row})
    scipy.io.savemat(tmp_path / "devkit" / "cars_meta.mat", {"class_names": np.array([["A", "B"]], dtype=object)})
    listing = _read(tmp_path, tmp_path)
    assert listing.classes == ["A", "B"]
    assert [(p.file, p.label, p.box, p.split) for p in listing.photos] == [
        ("cars_train/a.jpg", 1, (0, 1, 30, 40), "train"),
        ("cars_test/a.jpg", 1, (0, 1, 30, 40), "test"),
    ]


@pytest.mark.parametrize("layout", ["official archives", "zips", "one folder deeper", "flat archives", "labels in the devkit"])
def test_layouts(layout: str, toy_folder: Path, cars: Path, tmp_path: Path) -> None:
    if layout == "official archives":
        _as_tgz(cars, "cars_train", "cars_train.tgz", "cars_train")
        _as_tgz(cars, "cars_test", "cars_test.tar.gz", "cars_test")
        _as_tgz(cars, "devkit", "car_devkit.tgz", "devkit")
    elif layout == "zips":
        _as_zip(cars, "cars_train", "cars_train.zip")
        _as_zip(cars, "cars_test", "cars_test.zip")
    elif layout == "one folder deeper":
        _one_deeper(cars, "cars_train", "cars_train")
        _one_deeper(cars, "devkit", "car_devkit")
    elif layout == "flat archives":
        _as_tgz(cars, "cars_train", "cars_train.tgz", ".")
        _as_tgz(cars, "devkit", "devkit.tgz", ".")
    else:
        (cars / LABELS).rename(cars / "devkit" / LABELS)
    assert _summary(_read(cars, tmp_path)) == _summary(_read(toy_folder, tmp_path))


def test_test_annotations_without_classes(cars: Path, tmp_path: Path) -> None:
    (cars / LABELS).unlink()
    with pytest.raises(UserError, match=f"cars_test_annos.mat: the test annotations carry no class; put {LABELS}"):
        _read(cars, tmp_path)


def test_the_trap_under_the_right_name(cars: Path, tmp_path: Path) -> None:
    shutil.copy(cars / "devkit" / "cars_test_annos.mat", cars / LABELS)
    with pytest.raises(UserError, match="carry no class"):
        _read(cars, tmp_path)


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("cars_train", "expected cars_train as a folder or archive"),
        ("cars_test", "expected cars_test as a folder or archive"),
        ("devkit", "expected car_devkit or devkit as a folder or archive"),
        ("devkit/cars_meta.mat", "expected cars_meta.mat"),
        ("devkit/cars_train_annos.mat", "expected cars_train_annos.mat"),
    ],
)
def test_missing_parts(gone: str, message: str, cars: Path, tmp_path: Path) -> None:
    (cars / gone).rename(tmp_path / "gone")
    with pytest.raises(UserError, match=message):
        _read(cars, tmp_path)


def test_no_test_annotations_at_all(cars: Path, tmp_path: Path) -> None:
    (cars / LABELS).unlink()
    (cars / "devkit" / "cars_test_annos.mat").unlink()
    with pytest.raises(UserError, match=f"expected {LABELS}"):
        _read(cars, tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a matlab file" * 100, None])
def test_damaged_annotations(content: bytes | None, cars: Path, tmp_path: Path) -> None:
    path = cars / "devkit" / "cars_train_annos.mat"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(UserError, match=r"cars_train_annos\.mat: expected a MATLAB file"):
        _read(cars, tmp_path)


@pytest.mark.parametrize(
    ("fields", "values", "message"),
    [
        ((*BOX_FIELDS, "class", "fname"), (1, 1, 2, 2, 1, "../../evil.jpg"), "inside its folder"),
        ((*BOX_FIELDS, "class", "fname"), (1, 1, "two", 2, 1, "a.jpg"), "expected a number as bbox_x2 of a.jpg, received"),
        (("bbox_x1", "class", "fname"), (1, 1, "a.jpg"), "missing .*bbox_x2"),
        (("x",), (1,), "missing .*fname"),
    ],
)
def test_wrong_annotations(fields: tuple, values: tuple, message: str, cars: Path, tmp_path: Path) -> None:
    rows = np.array([[values]], dtype=[(name, object) for name in fields])
    scipy.io.savemat(cars / "devkit" / "cars_train_annos.mat", {"annotations": rows})
    with pytest.raises(UserError, match=message):
        _read(cars, tmp_path)


def test_another_variable(cars: Path, tmp_path: Path) -> None:
    scipy.io.savemat(cars / "devkit" / "cars_meta.mat", {"names": [1]})
    with pytest.raises(UserError, match=r"expected the variable 'class_names', found \['names'\]"):
        _read(cars, tmp_path)
