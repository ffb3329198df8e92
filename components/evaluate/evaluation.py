"""The folder that evaluate writes, as it is found again: beside its report, or within a published version of a model."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from components.common import storage
from components.common.dataset import SPLITS
from components.common.errors import UserError
from components.common.evaluation import IN_SAVED_MODEL, read_metrics
from components.evaluate.metrics import Figures
from components.evaluate.predictions import Predictions, read

MAX_BYTES = 2**30
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Evaluation:
    """`address` as it was given, `metrics` what metrics.json holds, and the predictions that it is about."""

    address: str
    metrics: dict[str, Any]
    predictions: Predictions


def open_evaluation(address: str) -> Evaluation:
    """Opens an evaluation folder, or the one in a published SavedModel; a local path or `gs://`.

    Raises:
        UserError: nothing there, damaged, of another schema, or figures that are not those of the predictions.
    """
    root = address.rstrip("/")
    names = storage.list_names(root)
    found = next((prefix for prefix in ("", f"{IN_SAVED_MODEL}/") if f"{prefix}metrics.json" in names), None)
    if found is None:
        raise UserError(
            f"{address}: expected an evaluation (metrics.json, predictions.parquet), or a SavedModel with one, found none"
        )
    with tempfile.TemporaryDirectory() as scratch:
        for name in ("metrics.json", "predictions.parquet"):
            folder = storage.fetch(f"{root}/{found}{name}", Path(scratch), max_bytes=MAX_BYTES).parent
        metrics, predictions = read_metrics(folder), read(folder / "predictions.parquet")
    for name, figure in Figures(predictions)(np.ones(len(predictions))).items():
        # NaN is near nothing
        if not _near(metrics.get(name), figure):
            raise UserError(
                f"{address}: expected the metrics of its predictions ({name} {figure:.6f}), received {name} {metrics.get(name)!r}"
            )
    if problem := _problem(metrics):
        raise UserError(f"{address}: expected the metrics of an evaluation, its {problem} is none; evaluate again")
    return Evaluation(address, metrics, predictions)


def _problem(metrics: dict[str, Any]) -> str:
    """Which of the values that pages show is not what it should be; "" where all are."""
    latency, intervals = metrics.get("latency_ms"), metrics.get("intervals")
    sound = {
        "split": metrics.get("split") in SPLITS,
        "intervals": isinstance(intervals, dict) and all(_numbers(each, 2) for each in intervals.values()),
        "latency_ms": isinstance(latency, dict) and _numbers([latency.get("p50"), latency.get("p95")], 2),
        "images_per_s": _numbers([metrics.get("images_per_s")], 1),
    }
    return next((name for name, is_sound in sound.items() if not is_sound), "")


def _numbers(values: Any, count: int) -> bool:
    return isinstance(values, list) and len(values) == count and all(isinstance(value, float | int) for value in values)


def _near(value: Any, figure: float) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool) and abs(value - figure) <= TOLERANCE
