"""The toy set on disk: `toy://?classes=8&per_class=60&seed=1` as a folder in the official Stanford layout.

A class is a body with a trait; the first fourteen classes share neither. Every fifth photo of a class is a test photo.
"""

import urllib.parse
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import scipy.io

from components.common import boxes
from components.common.errors import UserError
from components.common.progress import track
from components.ingest.stanford import BOX_FIELDS, LABELS_FILE, PHOTO_FOLDERS
from components.ingest.toy.bodies import BODIES
from components.ingest.toy.scene import draw_photo
from components.ingest.toy.traits import TRAITS

MAKES = [
    "Toyo",
    "Norda",
    "Valmet",
    "Kestrel",
    "Ombra",
    "Lumen",
    "Pica",
    "Altair",
    "Regent",
    "Borea",
    "Savo",
    "Minim",
    "Corsa",
    "Humla",
]
MODELS = ["Alba", "Brisk", "Cadet", "Delta", "Ember", "Fjord", "Gala", "Helio", "Iris", "Juno", "Kilo", "Luna", "Mira", "Nova"]
TEST_EVERY = 5
PHOTOS_PER_CLASS = (TEST_EVERY, 1000)
MAT_FIELDS = [*BOX_FIELDS, "class", "fname"]
# SciPy stamps a file with the time it was written; the format leaves these 116 bytes to the writer.
MAT_HEADER = b"MATLAB 5.0 MAT-file, toy cars".ljust(116)


@dataclass(frozen=True)
class ToyQuery:
    """How many classes, how many photos of each, and the seed of everything random in them."""

    classes: int = 8
    per_class: int = 60
    seed: int = 1


@dataclass(frozen=True)
class _Drawn:
    fname: str
    box: boxes.Boxes
    label: int


def parse_query(uri: str) -> ToyQuery:
    """`toy://?classes=8&per_class=60&seed=1` -> a query; what is left out keeps its default.

    Raises:
        UserError: another form, an unknown or repeated name, a value that is no whole number or out of range.
    """
    parts = urllib.parse.urlsplit(uri)
    names = [field.name for field in fields(ToyQuery)]
    try:
        pairs = urllib.parse.parse_qsl(parts.query, strict_parsing=True) if parts.query else []
        values = {name: int(value) for name, value in pairs}
    except ValueError:
        values, pairs = {}, [("", "")]
    if parts.netloc or parts.path or parts.fragment or len(values) != len(pairs) or not values.keys() <= set(names):
        raise UserError(f"expected toy://?classes=8&per_class=60&seed=1 (whole numbers), received {uri!r}")
    query = ToyQuery(**values)
    for name, (low, high) in {"classes": (2, len(BODIES) * len(TRAITS)), "per_class": PHOTOS_PER_CLASS, "seed": (0, 2**32)}.items():
        if not low <= getattr(query, name) <= high:
            raise UserError(f"{uri}: expected {name} from {low} to {high}, received {getattr(query, name)}")
    return query


def body_and_trait(label: int) -> tuple[int, int]:
    """The numbers of a class's body and trait."""
    turn, body = divmod(label, len(BODIES))
    return body, (body + turn) % len(TRAITS)


def class_name(label: int) -> str:
    """`Toyo Alba Sedan 2004`; unique to the class."""
    body, trait = body_and_trait(label)
    return f"{MAKES[body]} {MODELS[(5 * body + trait) % len(MODELS)]} {BODIES[body].name} {1990 + (7 * body + 3 * trait) % 35}"


def write_toy(folder: Path, query: ToyQuery) -> Path:
    """Draws the toy set into `folder` (created) and returns it. The same query gives the same bytes."""
    drawn: dict[str, list[_Drawn]] = {split: [] for split in PHOTO_FOLDERS}
    for name in (*PHOTO_FOLDERS.values(), "devkit"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    plan = [(index, label) for index in range(query.per_class) for label in range(query.classes)]
    for index, label in track(plan, "drawing toy cars"):
        body, trait = body_and_trait(label)
        jpeg, box = draw_photo(BODIES[body], trait, np.random.default_rng([query.seed, label, index]))
        split = "test" if index % TEST_EVERY == TEST_EVERY - 1 else "train"
        fname = f"{len(drawn[split]) + 1:05d}.jpg"
        (folder / PHOTO_FOLDERS[split] / fname).write_bytes(jpeg)
        drawn[split].append(_Drawn(fname, boxes.to_inclusive(box), label + 1))
    names = np.array([[class_name(label) for label in range(query.classes)]], dtype=object)
    _write_mat(folder / "devkit" / "cars_meta.mat", "class_names", names)
    _write_mat(folder / "devkit" / "cars_train_annos.mat", "annotations", _annotations(drawn["train"], MAT_FIELDS))
    unlabelled = [field for field in MAT_FIELDS if field != "class"]
    _write_mat(folder / "devkit" / "cars_test_annos.mat", "annotations", _annotations(drawn["test"], unlabelled))
    _write_mat(folder / LABELS_FILE, "annotations", _annotations(drawn["test"], MAT_FIELDS))
    return folder


def _annotations(drawn: list[_Drawn], names: list[str]) -> np.ndarray:
    """The devkit's struct array, shape (1, photos)."""
    rows = np.empty((1, len(drawn)), dtype=[(name, object) for name in names])
    for i, photo in enumerate(drawn):
        corners = (float(edge) for edge in photo.box)
        values = {**dict(zip(BOX_FIELDS, corners, strict=True)), "class": float(photo.label), "fname": photo.fname}
        rows[0, i] = tuple(values[name] for name in names)
    return rows


def _write_mat(path: Path, variable: str, value: np.ndarray) -> None:
    scipy.io.savemat(path, {variable: value}, do_compression=True)
    content = path.read_bytes()
    path.write_bytes(MAT_HEADER + content[len(MAT_HEADER) :])
