"""The ingested dataset on disk: what `ingest` writes and `shard` and `evaluate` read.

    <folder>/
      dataset.json          schema version, source, seed, counts per split, what was set aside and why
      classes.json          the class names, in the order of their ids: ["Acura Integra Type R 2001", ...]
      annotations.parquet   one row a photo, columns below, ordered by (split, file)
      rejected.csv          one row for every photo set aside: file, split, reason
      images-00000.tar ...  the photos as JPEG bytes, plain tar archives

`annotations.parquet`:

    file    string    the photo's name in the source, unique
    label   int32     class id, index into classes.json
    x1..y2  float32   the box in pixels, 0-based, half-open, inside the frame, not empty
    width   int32     of the stored JPEG, pixels
    height  int32
    split   string    train | validation | test
    tar     string    the archive that holds the bytes
    offset  int64     where the JPEG bytes begin in that archive
    bytes   int32     how many there are
    sha256  string    of the JPEG bytes, hex
"""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.common.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = "marque.dataset/1"
SPLITS = ("train", "validation", "test")
BOX_COLUMNS = ["x1", "y1", "x2", "y2"]
COLUMN_TYPES = {
    "file": "str",
    "label": "int32",
    **dict.fromkeys(BOX_COLUMNS, "float32"),
    "width": "int32",
    "height": "int32",
    "split": "str",
    "tar": "str",
    "offset": "int64",
    "bytes": "int32",
    "sha256": "str",
}


@dataclass(frozen=True)
class Dataset:
    """An opened dataset: `info` is dataset.json, `classes` the names by id, `annotations` one row a photo."""

    folder: Path
    info: dict[str, Any]
    classes: list[str]
    annotations: "pd.DataFrame"

    def split(self, name: str) -> "pd.DataFrame":
        """The rows of one split."""
        return self.annotations[self.annotations["split"] == name]

    def photos(self, rows: "pd.DataFrame") -> Iterator[bytes]:
        """The JPEG bytes of `rows`, in their order.

        Raises:
            UserError: an archive ends before a photo does.
        """
        with contextlib.ExitStack() as stack:
            archives = {tar: stack.enter_context((self.folder / tar).open("rb")).fileno() for tar in rows["tar"].unique()}
            for tar, offset, size in zip(rows["tar"], rows["offset"], rows["bytes"], strict=True):
                photo = os.pread(archives[tar], size, offset)
                if len(photo) != size:
                    raise UserError(f"{self.folder / tar}: expected {size} bytes at {offset}, found {len(photo)}; ingest again")
                yield photo


def open_dataset(folder: str | Path) -> Dataset:
    """Opens a dataset that `ingest` wrote.

    Raises:
        UserError: no dataset there, or one of another schema version.
    """
    import pandas as pd  # takes longer than all else that those import who want read_info alone

    folder = Path(folder)
    info = read_info(folder / "dataset.json", SCHEMA, "a dataset written by ingest")
    classes = json.loads((folder / "classes.json").read_text("utf-8"))
    return Dataset(folder, info, classes, pd.read_parquet(folder / "annotations.parquet"))


def read_info(path: Path, schema: str, expected: str) -> dict[str, Any]:
    """Reads the JSON file that says what a directory is, and checks its `schema` field.

    Raises:
        UserError: the file is missing, is not JSON, or names another schema.
    """
    try:
        info = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path.parent}: expected {expected}, found no {path.name}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: expected JSON ({expected}): {error}") from None
    if not isinstance(info, dict) or info.get("schema") != schema:
        received = info.get("schema") if isinstance(info, dict) else type(info).__name__
        raise UserError(f"{path}: expected schema {schema!r}, received {received!r}; run the step that wrote it again")
    return info
