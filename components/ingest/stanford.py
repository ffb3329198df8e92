"""Reads Stanford Cars in the official layout, as published or as people mirror it.

    cars_train/  or  cars_train.tgz      the photos; also .tar, .tar.gz, .zip, and a folder of the same name inside the folder
    cars_test/   or  cars_test.tgz
    devkit/  or  car_devkit/  or  car_devkit.tgz
        cars_meta.mat                    class_names
        cars_train_annos.mat             annotations: bbox_x1, bbox_y1, bbox_x2, bbox_y2, class, fname
    cars_test_annos_withlabels.mat       the same for test; beside the photos or in the devkit

The devkit's own `cars_test_annos.mat` lacks the classes, so it will not do. Classes and pixels are 1-based there and boxes include
their last pixel; a listing's are 0-based and half-open.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io

from components.common import boxes
from components.common.errors import UserError
from components.common.storage import safe_path
from components.ingest.archive import SUFFIXES, unpack
from components.ingest.listing import ListedPhoto, Listing

PHOTO_FOLDERS = {"train": "cars_train", "test": "cars_test"}
DEVKIT_NAMES = ("car_devkit", "devkit")
LABELS_FILE = "cars_test_annos_withlabels.mat"
BOX_FIELDS = ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2")


def is_stanford(folder: Path) -> bool:
    """Whether something in `folder` bears one of the official names."""
    return any(_find(folder, name) for name in (*PHOTO_FOLDERS.values(), *DEVKIT_NAMES))


def read_stanford(folder: Path, scratch: Path, *, max_bytes: int) -> Listing:
    """Lists the photos of a folder in the official layout; archives in it are unpacked into `scratch`, at most `max_bytes` each.

    Raises:
        UserError: a part is missing or damaged, or the test annotations carry no class.
    """
    devkit = _open_part(folder, DEVKIT_NAMES, scratch, max_bytes)
    classes = _class_names(_mat(devkit, "cars_meta.mat"))
    photos: list[ListedPhoto] = []
    annotations = {"train": _mat(devkit, "cars_train_annos.mat"), "test": _test_annotations(folder, devkit)}
    for split, name in PHOTO_FOLDERS.items():
        place = _open_part(folder, (name,), scratch, max_bytes)
        photos.extend(_listed(annotations[split], place, name, split))
    return Listing(classes, photos)


def _open_part(folder: Path, names: tuple[str, ...], scratch: Path, max_bytes: int) -> Path:
    found = next((path for name in names if (path := _find(folder, name))), None)
    if found is None:
        raise UserError(f"{folder}: expected {' or '.join(names)} as a folder or archive of the Stanford layout, found neither")
    place = found if found.is_dir() else unpack(found, scratch / names[0], max_bytes=max_bytes)
    return next((inner for name in names if (inner := place / name).is_dir()), place)


def _find(folder: Path, name: str) -> Path | None:
    candidates = [folder / name, *(folder / f"{name}{suffix}" for suffix in SUFFIXES)]
    return next((path for path in candidates if path.exists()), None)


def _mat(folder: Path, name: str) -> Path:
    if not (folder / name).is_file():
        raise UserError(f"{folder}: expected {name} of the Stanford devkit there, found none")
    return folder / name


def _test_annotations(folder: Path, devkit: Path) -> Path:
    places = (folder / LABELS_FILE, devkit / LABELS_FILE, devkit / "cars_test_annos.mat")
    found = next((path for path in places if path.is_file()), None)
    if found is None:
        raise UserError(f"{folder}: expected {LABELS_FILE} there or in the devkit, found none")
    return found


def _load(path: Path, variable: str) -> Any:
    try:
        content = scipy.io.loadmat(path, squeeze_me=True)
    # SciPy's reader fails on damaged files with whatever its parser stumbles over.
    except Exception as error:
        raise UserError(f"{path}: expected a MATLAB file, which is damaged or is none: {type(error).__name__}") from None
    if variable not in content:
        raise UserError(f"{path}: expected the variable {variable!r}, found {[name for name in content if name[0] != '_']}")
    return np.atleast_1d(content[variable])


def _class_names(path: Path) -> list[str]:
    return [str(name) for name in _load(path, "class_names")]


def _listed(annotations: Path, photos: Path, prefix: str, split: str) -> Iterator[ListedPhoto]:
    rows = _load(annotations, "annotations")
    fields = set(rows.dtype.names or ())
    if "class" not in fields and "fname" in fields:
        raise UserError(
            f"{annotations}: the {split} annotations carry no class; put {LABELS_FILE} beside cars_test or in the devkit"
        )
    if missing := {*BOX_FIELDS, "fname"} - fields:
        raise UserError(
            f"{annotations}: expected annotations with {', '.join(BOX_FIELDS)}, class, fname; missing {sorted(missing)}"
        )
    for row in rows:
        name = str(row["fname"])
        box = boxes.from_inclusive([_number(annotations, row, field) for field in BOX_FIELDS])
        label = int(_number(annotations, row, "class")) - 1
        x1, y1, x2, y2 = box.tolist()
        yield ListedPhoto(f"{prefix}/{name}", safe_path(photos, name), label, (x1, y1, x2, y2), split)


def _number(annotations: Path, row: Any, field: str) -> float:
    try:
        return float(row[field])
    except (TypeError, ValueError):
        raise UserError(f"{annotations}: expected a number as {field} of {row['fname']}, received {row[field]!r}") from None
