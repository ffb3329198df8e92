"""Warm-up: the recorded requests of a SavedModel, and a batch of every allowed size, are run before anyone else asks.

`assets.extra/tf_serving_warmup_requests` is a TFRecord of PredictionLogs. What is wrong with it fails the load, with the texts of
TF Serving's `saved_model_warmup_util.cc` and `saved_model_warmup.cc`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from serving.server import inference
from serving.server.errors import RequestError, invalid
from serving.server.inference import Inference, Run
from serving.server.servable import Servable

REQUESTS = Path("assets.extra") / "tf_serving_warmup_requests"
MAX_RECORDS = 1000
CALLS: dict[str, Any] = {
    "predict_log": inference.predict,
    "classify_log": inference.classify,
    "regress_log": inference.regress,
    "multi_inference_log": inference.multi_inference,
}


def warm_up(servable: Servable, folder: Path, batch_sizes: Sequence[int]) -> None:
    """Runs the recorded requests of `folder`, if there are any, and the first that has rows again in each of the batch sizes.

    Raises:
        RequestError: a broken file, too many records, or a request that fails.
    """
    path = folder / REQUESTS
    if not path.is_file():
        return
    with_rows: Run | None = None
    try:
        for number, record in enumerate(tf.data.TFRecordDataset(str(path)).as_numpy_iterator()):
            if number >= MAX_RECORDS:
                raise invalid(f"Number of warmup records exceeds the maximum ({MAX_RECORDS}) at {path}")
            for run in _inference(servable, record, path).runs:
                servable.run(run.signature, run.inputs)
                if with_rows is None and run.signature.has_rows and all(len(values) for values in run.inputs.values()):
                    with_rows = run
    except tf.errors.DataLossError as error:
        message = f"{error.message}. Please verify your warmup data is in TFRecord format."
        raise RequestError(grpc.StatusCode.DATA_LOSS, message) from None
    if with_rows is None:
        return
    for size in batch_sizes:
        inputs = {alias: np.repeat(values[:1], size, axis=0) for alias, values in with_rows.inputs.items()}
        servable.run(with_rows.signature, inputs)


def _inference(servable: Servable, record: bytes, path: Path) -> Inference:
    try:
        log = PredictionLog.FromString(record)
    except DecodeError:
        raise invalid(f"Failed to parse warmup record: {record[:100]!r} from {path}") from None
    kind = log.WhichOneof("log_type")
    if kind is None:
        return Inference([], lambda _: log)
    if kind not in CALLS:
        raise RequestError(grpc.StatusCode.UNIMPLEMENTED, f"Unsupported log_type for warmup: {kind}")
    return CALLS[kind](servable, getattr(log, kind).request)
