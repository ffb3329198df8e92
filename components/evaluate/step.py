"""evaluate: an exported SavedModel and the records of a split -> metrics, tables, pictures, a report and a verdict.

Each file is written whole or not at all, and metrics.json, which says what the folder is, comes last.
"""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from components.common.dataset import SPLITS
from components.common.errors import UserError
from components.common.records import open_records
from components.common.whole import whole_file
from components.evaluate import metrics, tables
from components.evaluate.answers import ask
from components.evaluate.charts import draw
from components.evaluate.gate import check_minima, verdict
from components.evaluate.history import read_history
from components.evaluate.predict import load_servable
from components.evaluate.report import render
from components.evaluate.wall import hang

SCHEMA = "marque.metrics/1"
CONFUSED_PAIRS = 12


def run(
    saved_model: Path,
    records: Sequence[Path],
    output: Path,
    *,
    min_top1: float = 0.0,
    min_mean_iou: float = 0.0,
    history: Path | None = None,
    batch: int = 64,
    split: str = "test",
) -> dict[str, Any]:
    """Evaluates `saved_model` on `split` and writes into the folder `output`.

    Files: `metrics.json`, `predictions.parquet`, `confusion.csv`, `per_class.csv`, `confusion.png`, `iou.png`, `report.html`.

    Args:
        saved_model: what export wrote.
        records: the folders that shard wrote.
        min_top1: the verdict's minimum of top-1 accuracy, 0-1; likewise `min_mean_iou`.
        history: training's history.csv; its curves join the report.
        batch: photos a call of the signature.

    Returns:
        What metrics.json holds: schema, split, the figures of `metrics.summary`, images_per_s (JPEG bytes in, answers out),
        thresholds {min_top1, min_mean_iou}, blessed, reasons.

    Raises:
        UserError: no SavedModel or no records there, an empty split, classes that the model does not know, answers that are not
            finite, a minimum outside 0-1, or a history that is none.
    """
    if split not in SPLITS:
        raise UserError(f"split: expected one of {', '.join(SPLITS)}, received {split!r}")
    if batch < 1:
        raise UserError(f"batch: expected at least 1 photo, received {batch}")
    check_minima(min_top1, min_mean_iou)
    curves = None if history is None else read_history(history)
    opened = open_records(records)
    servable = load_servable(saved_model)
    answers, seconds = ask(servable, opened, split, batch)

    iou = answers.iou()
    figures = metrics.summary(answers.labels, answers.ids, iou, answers.iou_of_always(opened.mean_train_box), len(servable.classes))
    blessed, reasons = verdict(figures, min_top1, min_mean_iou)
    result = {
        "schema": SCHEMA,
        "split": split,
        **figures,
        "images_per_s": round(len(iou) / seconds, 1),
        "thresholds": {"min_top1": min_top1, "min_mean_iou": min_mean_iou},
        "blessed": blessed,
        "reasons": reasons,
    }
    matrix = metrics.confusion(answers.labels, answers.ids[:, 0], len(servable.classes))
    per_class = tables.per_class(metrics.per_class(matrix, answers.labels, iou), servable.classes)
    charts = draw(matrix, servable.classes, iou, figures["mean_box_iou_baseline"], curves)
    confused = tables.confused_pairs(matrix, servable.classes, CONFUSED_PAIRS)
    wall = hang(answers, opened, split, iou, servable.classes)

    output.mkdir(parents=True, exist_ok=True)
    _write(output / "predictions.parquet", _parquet(tables.predictions(answers)))
    _write(output / "confusion.csv", tables.confusion(matrix, servable.classes).to_csv(lineterminator="\n").encode())
    _write(output / "per_class.csv", per_class.to_csv(index=False, float_format="%.6f", lineterminator="\n").encode())
    _write(output / "confusion.png", charts.confusion.light)
    _write(output / "iou.png", charts.iou.light)
    _write(output / "report.html", render(result, charts, confused, per_class, wall).encode())
    _write(output / "metrics.json", (json.dumps(result, indent=2, ensure_ascii=False) + "\n").encode())
    return result


def _parquet(table: pd.DataFrame) -> bytes:
    content = io.BytesIO()
    table.to_parquet(content, index=False)
    return content.getvalue()


def _write(path: Path, content: bytes) -> None:
    with whole_file(path) as partial:
        partial.write_bytes(content)
