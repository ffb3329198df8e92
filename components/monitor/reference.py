"""What requests are compared with.

Class mix, confidence and box size: as this very model answered the test photos when it was evaluated, which deploy publishes in the
version's `assets.extra/evaluation`. Not its answers to training photos: of those it is overconfident, so every honest request would
seem to be of low confidence. And not the true classes: the model's own confusions would look like a shift.

Brightness and sharpness need no answers, so they come from a sample of the training photos. The shards are dealt so that any few of
them are a fair sample (`components/shard/plan.py`); no more are read, or fetched, than it takes.
"""

import json
import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.common import boxes, storage
from components.common.dataset import BOX_COLUMNS
from components.common.errors import UserError
from components.common.evaluation import PUBLISHED
from components.common.example import SCHEMA
from components.common.records import parse
from components.monitor.measures import Measures, appearance_of
from components.monitor.tfrecord import DamageError, read_records

MAX_FILE_BYTES = 4 * 2**30
EMPTY = np.zeros(0)


def read_reference(version: str, records: Sequence[str], sample: int) -> tuple[Measures, list[str]]:
    """The reference of a published version, `<repository>/<model>/<version>`, and its class names.

    Args:
        version: a folder or gs://.
        records: the folders (or gs://) that shard wrote; brightness and sharpness are empty without any.
        sample: how many training photos to look at, at most.

    Raises:
        UserError: no evaluation in the version, or no records where there should be.
    """
    with tempfile.TemporaryDirectory(prefix="marque-reference-") as scratch:
        answers, classes = _answers(version, Path(scratch))
        photos = islice(_training_photos(records, Path(scratch)), sample)
        looks = appearance_of(photos) if records else {"brightness": EMPTY, "sharpness": EMPTY}
    return Measures(**answers, **looks), classes


def _answers(version: str, scratch: Path) -> tuple[dict[str, np.ndarray], list[str]]:
    address = f"{version.rstrip('/')}/{PUBLISHED['predictions.parquet']}"
    expected = "expected a version that deploy published, with the predictions of its evaluation"
    try:
        path = storage.fetch(address, scratch, max_bytes=MAX_FILE_BYTES)
        columns = ["predicted", "score", "width", "height", *(f"predicted_{edge}" for edge in BOX_COLUMNS)]
        table = pq.read_table(path, columns=columns)
        classes = json.loads((table.schema.metadata or {})[b"classes"])
    except UserError as error:
        raise UserError(f"{expected}: {error}") from None
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise UserError(f"{address}: {expected}; it is damaged or something else: {error}") from None
    width, height = table["width"].to_numpy(), table["height"].to_numpy()
    found = np.stack([table[f"predicted_{edge}"].to_numpy() for edge in BOX_COLUMNS], axis=1)
    return {
        "labels": table["predicted"].to_numpy().astype(np.int64),
        "confidence": table["score"].to_numpy().astype(np.float64),
        "box_size": boxes.area(boxes.clip(found, width, height)) / (width.astype(np.float64) * height),
    }, classes


def _training_photos(folders: Sequence[str], scratch: Path) -> Iterator[bytes]:
    shards = sorted((name, folder) for folder in folders for name in _train_shards(folder))
    if folders and not shards:
        raise UserError(f"{folders[0]}: expected records with train shards, found none")
    for name, folder in shards:
        address = f"{folder.rstrip('/')}/{name}"
        path = storage.fetch(address, scratch, max_bytes=MAX_FILE_BYTES)
        try:
            for record in read_records(path):
                yield parse(record)["jpeg"].numpy()
        except DamageError as error:
            raise UserError(f"{address}: {error}; run shard again") from None
        if "://" in folder:
            path.unlink()


def _train_shards(folder: str) -> list[str]:
    try:
        info = json.loads(storage.read_bytes(f"{folder.rstrip('/')}/records.json"))
        shards = {name: what["split"] for name, what in info["shards"].items()} if info["schema"] == SCHEMA else None
    except (KeyError, TypeError, ValueError):
        shards = None
    if shards is None:
        raise UserError(f"{folder}: expected records of schema {SCHEMA}, written by shard")
    return [name for name, split in shards.items() if split == "train"]
