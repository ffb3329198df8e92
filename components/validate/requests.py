"""Recorded requests from an evaluation and the records that it was made on."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.common.dataset import BOX_COLUMNS
from components.common.errors import UserError
from components.common.records import open_records, parse
from components.common.validation import MAX_SIDE_PX, Recorded
from serving.client.photo import prepare

PREDICTIONS = "predictions.parquet"
_COLUMNS = ["file", "predicted", "score", *(f"predicted_{name}" for name in BOX_COLUMNS), "width", "height"]


def record(evaluation: Path, records: Sequence[Path], split: str, photos: int) -> list[Recorded]:
    """`photos` photos of `split`, evenly spaced, or all where there are fewer, with what `evaluation` says about them.

    Those that the client would send otherwise than they are (turned upright, or smaller) are left out: the model was evaluated on
    the bytes in the records.

    Raises:
        UserError: no predictions or no records there, damaged ones, records of other photos, or none that is sent as it is.
    """
    path = evaluation / PREDICTIONS
    try:
        table = pq.read_table(path, columns=_COLUMNS)
        classes = json.loads((table.schema.metadata or {})[b"classes"])
        table = table.select(_COLUMNS)
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise UserError(f"{path}: expected the predictions of an evaluation: {error}; evaluate again") from None
    index = open_records(records).index(split)
    there = int(index.counts.sum())
    if not len(table) == there > 0:
        raise UserError(
            f"{evaluation}: expected predictions for the {there} {split} photos of the records, found {len(table)}; "
            "validate with the records that the model was evaluated on"
        )
    chosen = np.linspace(0, len(table) - 1, min(photos, len(table))).round().astype(np.int64)
    requests = [
        _recorded(path, row, parse(index.read_in_order(int(place))), classes)
        for place, row in zip(chosen, table.take(chosen).to_pylist(), strict=True)
    ]
    kept = [request for request in requests if prepare(request.jpeg, request.file, MAX_SIDE_PX).jpeg == request.jpeg]
    if not kept:
        raise UserError(f"{evaluation}: expected photos that a client sends as they are, found none among {len(requests)}")
    return kept


def _recorded(path: Path, row: dict[str, object], example: dict[str, object], classes: list[str]) -> Recorded:
    file = example["file"].numpy().decode("utf-8")  # type: ignore[attr-defined]
    if file != row["file"]:
        raise UserError(f"{path}: expected the photo {file} of the records, found {row['file']}; evaluate again on these records")
    values = {name.removeprefix("predicted_"): row[name] for name in _COLUMNS if name not in ("file", "predicted")}
    label = classes[row["predicted"]]  # type: ignore[call-overload]
    return Recorded(file=file, jpeg=example["jpeg"].numpy(), label=label, **values)  # type: ignore[attr-defined, arg-type]
