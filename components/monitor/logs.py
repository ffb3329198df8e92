"""What was asked and answered lately: the server's request log, or a batch's predictions.parquet. One request is held at a time.

A log is a folder (or gs://) of `<model>/*.tfrecord`, TFRecords of TF Serving's PredictionLog, in the order of their names, which
begin with the time. `*.partial` is still being written and is left alone. Where a file is damaged, what comes before counts.
"""

import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from components.common import storage
from components.common.dataset import BOX_COLUMNS
from components.common.errors import UserError
from components.common.evaluation import PUBLISHED
from components.monitor.tfrecord import DamageError, read_records

MAX_FILE_BYTES = 4 * 2**30
SUFFIX = ".tfrecord"
OUTPUTS = ("labels", "scores", "boxes")


@dataclass(frozen=True)
class Answered:
    """One photo (None where only the answer is on record) and its answer: `label`, `score`, `box` in pixels of it; its `size`
    (width, height) where that is on record; `seconds` since 1970, 0 where unknown."""

    photo: bytes | None
    label: str
    score: float
    box: tuple[float, float, float, float]
    size: tuple[int, int] | None = None
    seconds: int = 0


@dataclass
class Reading:
    """What was come across: files read, `damaged` [file, where], and why requests were left out {reason: requests}."""

    files: int = 0
    damaged: list[tuple[str, str]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def read_log(log: str, model: str, reading: Reading) -> Iterator[Answered]:
    """The photos of a request log that the version `model` (`<repository>/<name>/<version>`) answered, the newest file first.

    Where `model` is no such address, the photos of all versions. `reading` is filled as files are read.

    Raises:
        UserError: no such folder or bucket, or no complete file of this model's there.
    """
    name, version = _name_and_version(model)
    files = [file for file in storage.list_names(log) if file.endswith(SUFFIX) and _belongs(file, name)]
    if not files:
        raise UserError(f"{log}: expected a request log, <model>/*{SUFFIX}, found none{f' of {name}' if name else ''}")
    with tempfile.TemporaryDirectory(prefix="marque-log-") as scratch:
        for file in sorted(files, key=lambda file: PurePosixPath(file).name, reverse=True):
            try:
                path = storage.fetch(f"{log.rstrip('/')}/{file}", Path(scratch), max_bytes=MAX_FILE_BYTES)
            except UserError as error:
                reading.damaged.append((file, str(error)))  # the server drops its oldest files
                continue
            reading.files += 1
            try:
                for record in read_records(path):
                    yield from _photos(record, version, reading.left_out)
            except DamageError as error:
                reading.damaged.append((file, str(error)))
            if "://" in log:
                path.unlink()


def read_table(table: str, model: str, reading: Reading) -> Iterator[Answered]:
    """The answers of a batch prediction's parquet, by the version at `model`.

    Raises:
        UserError: no such file, no table of a batch, or one of another model.
    """
    with tempfile.TemporaryDirectory(prefix="marque-table-") as scratch:
        path = storage.fetch(table, Path(scratch), max_bytes=MAX_FILE_BYTES)
        columns = ["labels", "scores", *BOX_COLUMNS, "width", "height"]
        try:
            with pq.ParquetFile(path) as file:
                reading.files += 1
                _check_model(table, json.loads((file.schema_arrow.metadata or {})[b"marque"])["model"], model)
                for batch in file.iter_batches(columns=columns):
                    for row in batch.to_pylist():
                        if not row["labels"]:
                            reading.left_out["no answer"] += 1
                            continue
                        x1, y1, x2, y2 = (row[name] for name in BOX_COLUMNS)
                        size = (row["width"], row["height"])
                        yield Answered(None, row["labels"][0], row["scores"][0], (x1, y1, x2, y2), size)
        except (pa.ArrowException, OSError, KeyError, ValueError) as error:
            raise UserError(f"{table}: expected the predictions.parquet of a batch: {error}") from None


def _check_model(table: str, fingerprint: str, version: str) -> None:
    expected = json.loads(storage.read_bytes(f"{version.rstrip('/')}/{PUBLISHED['metrics.json']}"))["model"]
    if fingerprint != expected:
        raise UserError(f"{table}: expected answers of {version}, these are of another model; name the version that gave them")


def _name_and_version(model: str) -> tuple[str, int | None]:
    found = re.search(r"([^/]+)/([0-9]+)/*$", model)
    return (found[1], int(found[2])) if found else ("", None)


def _belongs(file: str, name: str) -> bool:
    folder = PurePosixPath(file).parent.name
    return not name or not folder or folder == name


def _photos(record: bytes, version: int | None, left_out: Counter[str]) -> Iterator[Answered]:
    try:
        log = PredictionLog.FromString(record)
    except Exception:  # protobuf's DecodeError, which only serving may import
        left_out["not understood"] += 1
        return
    try:
        request, response = log.predict_log.request, log.predict_log.response
        if version is not None and response.model_spec.version.value not in (0, version):
            left_out["answered by another version"] += 1
            return
        photos = list(tf.make_ndarray(request.inputs["jpeg"]).ravel()) if "jpeg" in request.inputs else []
        if not photos or any(name not in response.outputs for name in OUTPUTS):
            left_out["no photos, or without all outputs"] += 1
            return
        labels, scores, boxes = (tf.make_ndarray(response.outputs[name]) for name in OUTPUTS)
    except (TypeError, ValueError):
        left_out["not understood"] += 1
        return
    if not _fits(labels, scores, boxes, len(photos)):
        left_out["not understood"] += 1
        return
    for photo, label, score, box in zip(photos, labels[:, 0], scores[:, 0], boxes.tolist(), strict=True):
        yield Answered(photo, label.decode("utf-8", "replace"), float(score), tuple(box), None, log.log_metadata.timestamp_secs)


def _fits(labels: Any, scores: Any, boxes: Any, photos: int) -> bool:
    """Whether these are the outputs of Marque's signature to so many photos."""
    shapes = labels.ndim == 2 and labels.shape[1] > 0 and labels.shape == scores.shape and boxes.shape == (photos, 4)
    return shapes and len(labels) == photos and bool(np.isfinite(scores).all() and np.isfinite(boxes).all())
