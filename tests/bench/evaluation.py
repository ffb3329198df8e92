"""Evaluating a million predictions: from predictions.parquet to figures with intervals, slices, confusion and
calibration, and against a champion.

The predictions are drawn: 196 classes, 70% right, IoU of a beta distribution. TensorFlow has no part in it.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from components.evaluate import metrics, slices
from components.evaluate.calibration import reliability
from components.evaluate.metrics import GatedFigures
from components.evaluate.paired import align, differences
from components.evaluate.predictions import read, write
from tests.bench.clock import Measured, peak_mb
from tests.bench.photo_set import PhotoSet

PREDICTIONS = 1_000_000
BATCH = 10_000
CLASSES = [f"{make} {body} {year}" for make in "ABCDEFG" for body in ("Sedan", "SUV", "Coupe", "Van") for year in range(2006, 2013)]


def evaluate_predictions(photos: PhotoSet, seconds: float) -> Measured:
    """Predictions a second, once through, whatever `photos` and `seconds`; writing them is off the clock."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "predictions.parquet"
        write(path, _answers(), CLASSES)
        start = time.monotonic()
        predictions = read(path)
        differences(*align(read(path), predictions), GatedFigures)
        figures = metrics.summary(predictions)
        slices.table(predictions, figures["top1"])
        metrics.per_class(metrics.confusion(predictions), predictions)
        reliability(predictions)
        return Measured(len(predictions) / (time.monotonic() - start), peak_mb())


def _answers() -> Iterator[Any]:
    for batch in range(PREDICTIONS // BATCH):
        rng = np.random.default_rng(batch)
        labels = rng.integers(len(CLASSES), size=BATCH, dtype=np.int32)
        ids = (labels[:, None] + rng.permuted(np.arange(-2, 3))[None]) % len(CLASSES)
        ids[:, 0] = np.where(rng.random(BATCH) < 0.7, labels, ids[:, 0])
        sizes = np.stack([rng.integers(300, 900, BATCH), rng.integers(200, 700, BATCH)], axis=1).astype(np.int32)
        true = np.concatenate([sizes * 0.1, sizes * (0.5 + 0.4 * rng.random((BATCH, 1)))], axis=1).astype(np.float32)
        shrunk = np.concatenate([true[:, :2], true[:, :2] + (true[:, 2:] - true[:, :2]) * rng.beta(18, 1, (BATCH, 1))], axis=1)
        yield SimpleNamespace(
            files=[f"{batch:04d}/{i:05d}.jpg" for i in range(BATCH)],
            labels=labels,
            sizes=sizes,
            true_boxes=true,
            ids=ids.astype(np.int32),
            scores=np.sort(rng.random((BATCH, 5), dtype=np.float32), axis=1)[:, ::-1],
            boxes=shrunk.astype(np.float32),
        )
