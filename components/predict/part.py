"""The answers to one chunk, `part-00003.parquet`, whose metadata says of which photos and of which model they are.

    file      string         the photo's name, relative to the source
    labels    list<string>   class names, the best first; empty where there is an error
    scores    list<float>    their probabilities, 0-1
    x1..y2    float32        the box, pixels of the upright photo; null where there is an error
    width     int32          of the upright photo, pixels; null where it did not decode
    height    int32
    error     string         why there is no answer; null where there is one

`predictions.parquet` has the same columns, all parts one after the other.
"""

import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components.common.dataset import BOX_COLUMNS
from components.predict.servable import Answer

SCHEMA = "marque.batch/1"
COLUMNS = pa.schema(
    [
        ("file", pa.string()),
        ("labels", pa.list_(pa.string())),
        ("scores", pa.list_(pa.float32())),
        *((name, pa.float32()) for name in BOX_COLUMNS),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("error", pa.string()),
    ]
)


@dataclass(frozen=True)
class About:
    """What a part says of itself: `key` as in `Listing.key`, the `model`'s fingerprint, photos and errors."""

    key: str
    model: str
    photos: int
    errors: int
    schema: str = SCHEMA


def part_name(chunk: int) -> str:
    """`part-00003.parquet`."""
    return f"part-{chunk:05d}.parquet"


def write_part(path: Path, answers: Sequence[Answer], key: str, model: str) -> None:
    """Writes the answers to a chunk."""
    about = About(key, model, len(answers), sum(bool(answer.error) for answer in answers))
    boxes = {name: [answer.box and answer.box[edge] for answer in answers] for edge, name in enumerate(BOX_COLUMNS)}
    columns = {
        "file": [answer.photo.file for answer in answers],
        "labels": [answer.labels for answer in answers],
        "scores": [answer.scores for answer in answers],
        **boxes,
        "width": [answer.photo.size[0] or None for answer in answers],
        "height": [answer.photo.size[1] or None for answer in answers],
        "error": [answer.error or None for answer in answers],
    }
    pq.write_table(pa.table(columns, COLUMNS.with_metadata({"marque": json.dumps(asdict(about))})), path)


def read_part(content: bytes) -> tuple[About, pa.Table] | None:
    """What `write_part` wrote; None for anything else, and for one that is damaged."""
    try:
        table = pq.read_table(io.BytesIO(content))
        about = About(**json.loads((table.schema.metadata or {})[b"marque"]))
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError):
        return None
    whole = about.schema == SCHEMA and table.schema.equals(COLUMNS)
    return (about, table) if whole else None
