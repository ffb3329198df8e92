"""Outcomes as rows for a program: a file that grows photo by photo and takes its name when it is whole.

.csv    photo, label, score, x1, y1, x2, y2 (pixels of the upright photo), version, error; the best candidate
.jsonl  an object a line: photo, labels, scores, box, version; or photo, error
"""

import contextlib
import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from components.common.errors import UserError
from components.common.whole import whole_file
from serving.client.aio import Outcome

COLUMNS = ("photo", "label", "score", "x1", "y1", "x2", "y2", "version", "error")


def as_object(outcome: Outcome, top: int) -> dict[str, Any]:
    """One photo's outcome with `top` candidates: scores 0-1, box in pixels x1, y1, x2, y2."""
    prediction = outcome.prediction
    if prediction is None:
        return {"photo": outcome.name, "error": outcome.error}
    return {
        "photo": outcome.name,
        "labels": prediction.labels[:top],
        "scores": [round(score, 6) for score in prediction.scores[:top]],
        "box": [round(edge, 2) for edge in prediction.box],
        "version": prediction.version,
    }


def check(path: Path) -> None:
    """Raises UserError where the name says neither .csv nor .jsonl, or there is no folder for it."""
    if path.suffix not in (".csv", ".jsonl"):
        raise UserError(f"{path}: expected a name that ends in .csv or .jsonl")
    if not path.parent.is_dir():
        raise UserError(f"{path}: expected an existing folder to write into; make it first")


@contextlib.contextmanager
def opened(path: Path, top: int) -> Iterator[Callable[[Outcome], None]]:
    """A function that writes an outcome; when the body ends well, the file takes the place of what lay at `path`."""
    with whole_file(path) as partial, partial.open("w", encoding="utf-8", newline="") as handle:
        yield _csv_writer(handle) if path.suffix == ".csv" else _jsonl_writer(handle, top)


def _csv_writer(handle: IO[str]) -> Callable[[Outcome], None]:
    writer = csv.writer(handle, lineterminator="\n")
    writer.writerow(COLUMNS)

    def write(outcome: Outcome) -> None:
        row = as_object(outcome, top=1)
        if outcome.prediction:
            writer.writerow([row["photo"], *row["labels"], *row["scores"], *row["box"], row["version"], ""])
        else:
            writer.writerow([row["photo"], *[""] * 7, row["error"]])

    return write


def _jsonl_writer(handle: IO[str], top: int) -> Callable[[Outcome], None]:
    return lambda outcome: print(json.dumps(as_object(outcome, top), ensure_ascii=False), file=handle)
