"""The photos of a batch, fixed once for all tasks: what `list` writes and every other step reads.

<folder>/
  listing.json     schema, source, photos, chunk_photos, chunks, bytes, ignored (files that are no photos)
  photos.parquet   file string (relative to the source, with `/`), bytes int64, stamp string; ordered by file

Chunk i is rows [i * chunk_photos, (i + 1) * chunk_photos): the same photos are always the same chunks.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.common.dataset import read_info
from components.common.errors import UserError
from components.common.whole import whole_folder
from components.predict.place import open_place

SCHEMA = "marque.listing/1"
COLUMNS = pa.schema([("file", pa.string()), ("bytes", pa.int64()), ("stamp", pa.string())])
# Also those that Pillow cannot read: a row that says so is better than a photo that nobody misses.
SUFFIXES = {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".avif", ".heic", ".heif"),
    *(".gif", ".bmp", ".dib", ".tif", ".tiff", ".mpo", ".jp2", ".ppm", ".pgm", ".tga"),
}
SHOWN = 3


@dataclass(frozen=True)
class Listing:
    """An opened listing: `info` is listing.json, `photos` one row a photo."""

    info: dict[str, Any]
    photos: pa.Table

    @property
    def chunks(self) -> int:
        return -(-len(self.photos) // self.info["chunk_photos"])

    def chunk(self, number: int) -> pa.Table:
        """The photos of a chunk."""
        return self.photos.slice(number * self.info["chunk_photos"], self.info["chunk_photos"])

    def key(self, number: int, model: str) -> str:
        """What tells the answers to a chunk apart: SHA-256 (hex) of the source, its photos' names, sizes and stamps, and the
        `model`'s fingerprint."""
        rows = self.chunk(number).to_pydict()
        return hashlib.sha256(json.dumps([SCHEMA, self.info["source"], model, rows]).encode()).hexdigest()


def write_listing(source: str, output: Path, chunk_photos: int = 1000) -> dict[str, Any]:
    """Lists every photo below `source`, a folder or gs://bucket/prefix, into the folder `output`; returns listing.json's content.

    A photo is what has a photo's suffix; what begins with a dot is not seen.

    Raises:
        UserError: no such folder or bucket, no photos, a name that is not UTF-8, or less than one photo a chunk.
    """
    if chunk_photos < 1:
        raise UserError(f"chunk_photos: expected at least 1, received {chunk_photos}")
    with open_place(source, "photos") as place:
        if "://" not in source and not Path(source).is_dir():
            raise UserError(f"{source}: expected a folder of photos or gs://bucket/prefix, found no such folder")
        files = list(place.files())
        shown = place.uri
    photos = sorted((file for file in files if Path(file.name).suffix.lower() in SUFFIXES), key=lambda file: file.name)
    if not photos:
        found = ", ".join(file.name for file in files[:SHOWN]) or "no files"
        raise UserError(f"{shown}: expected photos (.jpg, .png, ...), found {found!a}")
    try:
        table = pa.table({name: [getattr(file, field) for file in photos] for name, field in _FIELDS.items()}, COLUMNS)
    except UnicodeEncodeError as error:
        raise UserError(f"{shown}: expected file names in UTF-8, found {error.object!a}; rename it") from None
    info = {
        "schema": SCHEMA,
        "source": shown,
        "photos": len(photos),
        "chunk_photos": chunk_photos,
        "chunks": -(-len(photos) // chunk_photos),
        "bytes": sum(photo.bytes for photo in photos),
        "ignored": len(files) - len(photos),
    }
    with whole_folder(output, "listing.json") as folder:
        pq.write_table(table, folder / "photos.parquet")
        (folder / "listing.json").write_text(json.dumps(info, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return info


def read_listing(folder: Path) -> Listing:
    """Opens what `write_listing` wrote.

    Raises:
        UserError: no listing there, or one of another schema.
    """
    info = read_info(folder / "listing.json", SCHEMA, "a listing of photos")
    return Listing(info, pq.read_table(folder / "photos.parquet", schema=COLUMNS))


_FIELDS = {"file": "name", "bytes": "bytes", "stamp": "stamp"}
