"""Writes the dataset that `components/common/dataset.py` describes: the same photos and splits give the same bytes and id."""

import csv
import hashlib
import io
import json
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components.common.dataset import BOX_COLUMNS, COLUMN_TYPES, SCHEMA, SPLITS
from components.common.errors import UserError
from components.common.whole import whole_folder
from components.ingest.checks import CheckedPhoto, RejectedPhoto

TAR_BYTES = 256 * 2**20
ROW_GROUP = 1024
IDENTITY = ["file", "label", *BOX_COLUMNS, "width", "height", "split", "sha256"]
OWN_FILES = ("dataset.json", "classes.json", "annotations.parquet", "rejected.csv", "images-*.tar")


@dataclass(frozen=True)
class SplitPhoto:
    """A checked photo and the split it belongs to."""

    photo: CheckedPhoto
    split: str


@contextmanager
def replacing(output: Path) -> Iterator[Path]:
    """A fresh folder that takes the place of `output` when the body ends well; until then `output` stays as it was.

    Raises:
        UserError: `output` holds something that ingest did not write.
    """
    _refuse_foreign(output)
    with whole_folder(output) as folder:
        yield folder


def write_dataset(
    folder: Path, photos: Sequence[SplitPhoto], rejected: Sequence[RejectedPhoto], classes: list[str], source: str, seed: int
) -> dict[str, Any]:
    """Writes every file of the dataset into `folder`, an empty one; returns dataset.json's content."""
    in_order = sorted(photos, key=lambda item: (item.split, item.photo.listed.file))
    identity = _write_annotations(folder / "annotations.parquet", _packed(folder, in_order), classes)
    _write_json(folder / "classes.json", classes)
    write_rejected(folder / "rejected.csv", rejected)
    counts = Counter(item.split for item in in_order)
    info = {
        "schema": SCHEMA,
        "id": identity,
        "source": source,
        "seed": seed,
        "photos": len(in_order),
        "classes": len(classes),
        "counts": {split: counts[split] for split in SPLITS},
        "rejected": dict(sorted(Counter(item.reason for item in rejected).items())),
    }
    _write_json(folder / "dataset.json", info)
    return info


def write_rejected(path: Path, rejected: Sequence[RejectedPhoto]) -> None:
    """One row a photo set aside: file, split (empty where the source names none), reason."""
    with path.open("w", encoding="utf-8", newline="") as handle:
        rows = csv.writer(handle, lineterminator="\n")
        rows.writerow(["file", "split", "reason"])
        rows.writerows([item.listed.file, item.listed.split or "", item.reason] for item in rejected)


def _refuse_foreign(output: Path) -> None:
    if output.exists() and not output.is_dir():
        raise UserError(f"{output}: expected a folder to write the dataset to, found a file")
    entries = list(output.iterdir()) if output.exists() else []
    if foreign := sorted(path.name for path in entries if not any(path.match(pattern) for pattern in OWN_FILES)):
        raise UserError(f"{output}: expected an empty folder or an earlier dataset, found {foreign[0]}; choose another output")


def _packed(folder: Path, photos: Sequence[SplitPhoto]) -> Iterator[tuple[Any, ...]]:
    """Packs the photos into tar archives of about TAR_BYTES, and yields a row of annotations for each."""
    number, index = 0, 0
    while index < len(photos):
        name = f"images-{number:05d}.tar"
        with tarfile.open(folder / name, "w", format=tarfile.USTAR_FORMAT) as archive:
            while index < len(photos) and archive.offset < TAR_BYTES:
                photo, split = photos[index].photo, photos[index].split
                content = photo.path.read_bytes()
                member = tarfile.TarInfo(f"{split}/{index:07d}.jpg")
                member.size = len(content)
                offset = archive.offset + tarfile.BLOCKSIZE
                archive.addfile(member, io.BytesIO(content))
                listed = photo.listed
                size = (photo.width, photo.height)
                yield listed.file, listed.label, *photo.box, *size, split, name, offset, len(content), photo.sha256
                index += 1
        number += 1


def _write_annotations(path: Path, rows: Iterator[tuple[Any, ...]], classes: list[str]) -> str:
    """Writes the rows, one group of them in memory at a time; returns the dataset's id."""
    digest = hashlib.sha256(json.dumps(classes).encode())
    group = _next_group(rows)
    with pq.ParquetWriter(path, pa.Schema.from_pandas(group, preserve_index=False)) as writer:
        header = True
        while len(group):
            writer.write_table(pa.Table.from_pandas(group, preserve_index=False))
            digest.update(group[IDENTITY].to_csv(index=False, header=header, lineterminator="\n").encode())
            group, header = _next_group(rows), False
    return digest.hexdigest()


def _next_group(rows: Iterator[tuple[Any, ...]]) -> pd.DataFrame:
    return pd.DataFrame(list(islice(rows, ROW_GROUP)), columns=list(COLUMN_TYPES)).astype(COLUMN_TYPES)


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")
