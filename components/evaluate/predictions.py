"""`predictions.parquet`: one row a photo, in the order of the records. All figures follow from it, and two models are compared by
it.

    file         string       the photo's name in the source
    label        int32        its class: id in `classes`, which the file's metadata holds as JSON
    predicted    int32        the model's best answer
    score        float32      its probability, 0-1
    top_ids      list<int32>  the best answers, the best first
    x1..y2       float32      the true box, pixels
    predicted_x1..y2 float32  the predicted box, pixels
    width, height int32       of the photo, pixels
    iou          float32      of the two boxes

It is written in row groups while the model answers. Read, a photo takes about a hundred bytes.
"""

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.common import boxes
from components.common.boxes import Boxes
from components.common.dataset import BOX_COLUMNS
from components.common.errors import UserError

if TYPE_CHECKING:
    from components.evaluate.answers import Answers

ROW_GROUP_PHOTOS = 8192
NO_RANK = np.iinfo(np.int32).max
PREDICTED_BOX_COLUMNS = [f"predicted_{name}" for name in BOX_COLUMNS]
SCHEMA = pa.schema(
    [
        ("file", pa.string()),
        ("label", pa.int32()),
        ("predicted", pa.int32()),
        ("score", pa.float32()),
        ("top_ids", pa.list_(pa.int32())),
        *((name, pa.float32()) for name in [*BOX_COLUMNS, *PREDICTED_BOX_COLUMNS]),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("iou", pa.float32()),
    ]
)


@dataclass(frozen=True)
class Predictions:
    """`n >= 1` photos: `classes` the names by id, `files` strings `(n,)`; `labels` and `predicted` int32 `(n,)`, `scores` float32
    `(n,)`; `ranks` int32 `(n,)`, the place of the true class among the answers, 0 the best, `NO_RANK` where it is not among them;
    `true_boxes` and `boxes` float32 `(n, 4)` pixels; `sizes` int32 `(n, 2)` as (width, height); `iou` float32 `(n,)`."""

    classes: list[str]
    files: pa.ChunkedArray
    labels: NDArray[np.int32]
    predicted: NDArray[np.int32]
    scores: NDArray[np.float32]
    ranks: NDArray[np.int32]
    true_boxes: Boxes
    boxes: Boxes
    sizes: NDArray[np.int32]
    iou: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether each photo's best answer is its class, `(n,)`."""
        return self.predicted == self.labels


def write(path: Path, answers: Iterable["Answers"], classes: list[str]) -> None:
    """Writes `path` while `answers` come in; `path` is then whole or, after an error, not to be used."""
    schema = SCHEMA.with_metadata({"classes": json.dumps(classes, ensure_ascii=False)})
    with pq.ParquetWriter(path, schema) as writer:
        waiting: list[pa.Table] = []
        for part in answers:
            waiting.append(_table(part).replace_schema_metadata(schema.metadata))
            if sum(map(len, waiting)) >= ROW_GROUP_PHOTOS:
                writer.write_table(pa.concat_tables(waiting))
                waiting = []
        if waiting:
            writer.write_table(pa.concat_tables(waiting))


def read(path: Path) -> Predictions:
    """What `write` wrote.

    Raises:
        UserError: no such file, damaged, other columns, no rows, or numbers that are none of a prediction.
    """
    try:
        table = pq.read_table(path)
        classes = json.loads((table.schema.metadata or {})[b"classes"])
        columns = {name: table[name].cast(SCHEMA.field(name).type).combine_chunks() for name in SCHEMA.names}
    except FileNotFoundError:
        raise UserError(f"{path}: expected the predictions of an evaluation, found no such file") from None
    except (pa.ArrowException, OSError, KeyError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: expected the predictions of an evaluation, it is damaged or something else: {error}") from None
    if not len(table):
        raise UserError(f"{path}: expected the predictions of at least one photo, found none")
    if problem := _problem(columns, classes):
        raise UserError(f"{path}: expected the predictions of an evaluation, {problem}; evaluate again")
    numbers = {name: column.to_numpy() for name, column in columns.items() if name not in ("file", "top_ids")}
    ranked = columns["top_ids"].flatten().to_numpy()
    hits = ranked.reshape(len(table), -1) == numbers["label"][:, None]
    return Predictions(
        classes=classes,
        files=pa.chunked_array([columns["file"]]),
        labels=numbers["label"],
        predicted=numbers["predicted"],
        scores=numbers["score"],
        ranks=np.where(hits.any(axis=1), hits.argmax(axis=1), NO_RANK).astype(np.int32),
        true_boxes=np.stack([numbers[name] for name in BOX_COLUMNS], axis=1),
        boxes=np.stack([numbers[name] for name in PREDICTED_BOX_COLUMNS], axis=1),
        sizes=np.stack([numbers["width"], numbers["height"]], axis=1),
        iou=numbers["iou"],
    )


def reordered(predictions: Predictions, rows: NDArray[np.int64]) -> Predictions:
    """These photos, in this order; one that comes twice counts twice."""
    arrays: dict[str, Any] = {name: value[rows] for name, value in vars(predictions).items() if isinstance(value, np.ndarray)}
    return dataclasses.replace(predictions, files=predictions.files.take(rows), **arrays)


def _table(part: "Answers") -> pa.Table:
    columns = {
        "file": part.files,
        "label": part.labels,
        "predicted": part.ids[:, 0],
        "score": part.scores[:, 0],
        "top_ids": list(part.ids),
        **{name: part.true_boxes[:, edge] for edge, name in enumerate(BOX_COLUMNS)},
        **{name: part.boxes[:, edge] for edge, name in enumerate(PREDICTED_BOX_COLUMNS)},
        "width": part.sizes[:, 0],
        "height": part.sizes[:, 1],
        "iou": boxes.iou(part.boxes, part.true_boxes),
    }
    return pa.table(columns, SCHEMA)


def _problem(columns: dict[str, pa.Array], classes: Any) -> str:
    """What keeps the columns from being predictions; "" where nothing does."""
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes) or len(set(classes)) < len(classes):
        return "its classes are no list of distinct names"
    if empty := [name for name, column in columns.items() if column.null_count]:
        return f"its {empty[0]} is missing for some photos"
    answers = pc.unique(pc.list_value_length(columns["top_ids"])).to_pylist()
    if len(answers) > 1 or answers == [0]:
        return f"its photos have {answers} answers, not the same number each"
    for name in ("label", "predicted", "top_ids"):
        ids = columns[name].flatten() if name == "top_ids" else columns[name]
        if pc.min(ids).as_py() < 0 or pc.max(ids).as_py() >= len(classes):
            return f"its {name} holds ids that are none of {len(classes)} classes"
    for name in ("score", "iou", *BOX_COLUMNS, *PREDICTED_BOX_COLUMNS):
        values = columns[name].to_numpy()
        highest = 1 + 1e-6 if name in ("score", "iou") else np.inf
        if not (np.isfinite(values).all() and values.min() >= (-np.inf if highest == np.inf else 0) and values.max() <= highest):
            return f"its {name} holds numbers that cannot be"
    return ""
