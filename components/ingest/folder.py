"""Reads a user's own catalogue: a folder of photos with `annotations.csv`.

    file,label,x1,y1,x2,y2[,split]
    photos/red.jpg,Toyo Alba Sedan 2004,12,30,410,260,train

`file` is relative to the folder. Boxes are in pixels of the photo as stored (EXIF's orientation not applied), 0-based and
half-open: the pixel (0, 0) alone is 0,0,1,1. `split` is train, validation or test. Without that column ingest carves the test and
validation photos itself. Class ids follow the alphabetical order of the labels. UTF-8, with or without a
byte-order mark; further columns are ignored.
"""

import csv
import math
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from components.common.dataset import BOX_COLUMNS, SPLITS
from components.common.errors import UserError
from components.common.storage import safe_path
from components.ingest.listing import UNKNOWN_CLASS, ListedPhoto, Listing

ANNOTATIONS = "annotations.csv"
COLUMNS = ["file", "label", *BOX_COLUMNS]


@dataclass(frozen=True)
class _Row:
    file: str
    path: Path
    label: str
    box: tuple[float, float, float, float]
    split: str | None


def is_folder(folder: Path) -> bool:
    """Whether `folder` holds an annotations.csv."""
    return (folder / ANNOTATIONS).is_file()


def read_folder(folder: Path) -> Listing:
    """Lists the photos that `folder/annotations.csv` names. A row without a label gets a class that does not exist.

    Raises:
        UserError: a column is missing, a value is none, or a label holds a control character; the message names the line.
    """
    rows = list(_rows(folder / ANNOTATIONS))
    classes = sorted({row.label for row in rows if row.label})
    ids = {"": UNKNOWN_CLASS, **{name: i for i, name in enumerate(classes)}}
    return Listing(classes, [ListedPhoto(row.file, row.path, ids[row.label], row.box, row.split) for row in rows])


def _rows(path: Path) -> Iterator[_Row]:
    with path.open(encoding="utf-8-sig", newline="") as handle:
        reader = csv.DictReader(handle, strict=True)
        try:
            header = reader.fieldnames or []
            if missing := [name for name in COLUMNS if name not in header]:
                raise UserError(f"{path}: expected the columns {','.join(COLUMNS)}[,split], {','.join(missing)} missing")
            for fields in reader:
                try:
                    yield _row(fields, path.parent)
                except UserError as error:
                    raise UserError(f"{path}, line {reader.line_num}: {error}") from None
        except (csv.Error, UnicodeDecodeError) as error:
            raise UserError(f"{path}, line {reader.line_num + 1}: expected CSV in UTF-8: {error}") from None


def _row(fields: dict[str, str], folder: Path) -> _Row:
    if None in fields.values() or None in fields:
        raise UserError("expected as many values as the header has columns")
    split = fields["split"].strip() if "split" in fields else None
    if split is not None and split not in SPLITS:
        raise UserError(f"expected {', '.join(SPLITS)} as split, received {split!r}")
    label = fields["label"].strip()
    if any(unicodedata.category(character) == "Cc" for character in label):
        raise UserError(f"expected a label without line breaks and other control characters, received {label!r}")
    x1, y1, x2, y2 = (_pixels(name, fields[name]) for name in BOX_COLUMNS)
    return _Row(fields["file"], safe_path(folder, fields["file"]), label, (x1, y1, x2, y2), split)


def _pixels(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"expected a number of pixels as {name}, received {text!r}")
    return value
