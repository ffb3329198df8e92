"""What the report shows, as the plain values that `page.render_report` takes."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from markdown_it import MarkdownIt
from numpy.typing import NDArray

from components.common.records import Records
from components.evaluate import calibration, tables
from components.evaluate.answers import photos_at
from components.evaluate.explain.network import Network
from components.evaluate.heat_strips import strips
from components.evaluate.orders import orders
from components.evaluate.photos import by_interest, corner_and_size, pictures
from components.evaluate.predictions import Predictions

CONFUSED_PAIRS = 20
IOU_BINS = 40


def contents(
    predictions: Predictions,
    metrics: Mapping[str, Any],
    matrix: NDArray[np.int64],
    per_class: pd.DataFrame,
    slices: pd.DataFrame,
    card: tuple[Mapping[str, Any], str],
    history: pd.DataFrame | None,
    records: Records,
    network: Network | None,
) -> dict[str, Any]:
    """The page's values.

    Args:
        predictions: of the split `metrics["split"]` of `records`.
        metrics: what metrics.json holds.
        matrix: photos per (true, predicted) class.
        per_class: of `tables.per_class`.
        slices: of `slices.table`.
        card: the model card as JSON and as Markdown.
        history: of the training, None where there is none.
        records: what was evaluated on.
        network: the trained one, for heat maps; None for none.
    """
    classes = predictions.classes
    order = by_interest(predictions)
    photos = list(_photos(predictions, order, records, metrics["split"]))
    edges = np.linspace(0, 1, IOU_BINS + 1)
    return {
        "metrics": dict(metrics),
        "classes": classes,
        "orders": orders(matrix, classes),
        "confusion": [[int(a), int(b), int(matrix[a, b])] for a, b in zip(*np.nonzero(matrix), strict=True)],
        "per_class": rows_of(per_class),
        "confused": tables.confused_pairs(matrix, classes, CONFUSED_PAIRS),
        "slices": rows_of(slices),
        "calibration": calibration.reliability(predictions),
        "iou": {"edges": edges.tolist(), "photos": np.histogram(predictions.iou, edges)[0].tolist()},
        "history": None if history is None else {name: _plain(column.tolist()) for name, column in history.items()},
        "data": {
            "source": card[0]["data"]["source"],
            **{split: _by_model_ids(counts, records, classes) for split, counts in records.counts.items()},
            "rejected": list(map(list, card[0]["data"]["rejected"].items())),
        },
        "card": as_html(card[1]),
        "heat": [] if network is None else strips(predictions, records, metrics["split"], network),
        "photos": photos,
        "photos_left_out": len(predictions) - len(photos),
    }


def as_html(markdown: str) -> str:
    """The card as HTML: of what it holds, markup stays text, and nothing is loaded."""
    return MarkdownIt("commonmark", {"html": False}).enable("table").disable("image").render(markdown)


def _photos(predictions: Predictions, order: NDArray[np.int64], records: Records, split: str) -> Iterator[dict[str, Any]]:
    shown = pictures(photos_at(records, split, order.tolist()), len(order))
    for row, picture in zip(order.tolist(), shown, strict=False):
        width, height = predictions.sizes[row].tolist()
        yield {
            "file": predictions.files[row].as_py(),
            "picture": picture,
            "width": width,
            "height": height,
            "true": int(predictions.labels[row]),
            "predicted": int(predictions.predicted[row]),
            "score": round(float(predictions.scores[row]), 4),
            "iou": round(float(predictions.iou[row]), 4),
            "true_box": corner_and_size(predictions.true_boxes[row]),
            "predicted_box": corner_and_size(predictions.boxes[row]),
        }


def _by_model_ids(counts: list[int], records: Records, classes: list[str]) -> list[int]:
    """The records' counts in the order of the model's classes; both may know classes that the other does not."""
    known = dict(zip(records.classes, counts, strict=True))
    return [known.get(name, 0) for name in classes]


def rows_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as JSON can hold them: what is not a number is None."""
    return [dict(zip(table.columns, _plain(list(row)), strict=True)) for row in table.itertuples(index=False)]


def _plain(values: list[Any]) -> list[Any]:
    return [None if isinstance(value, float) and not math.isfinite(value) else value for value in values]
