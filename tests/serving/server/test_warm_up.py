"""A version is warmed up before it answers; what is wrong with its warm-up keeps it from being offered."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from components.common.errors import UserError
from serving.server import server as embedded
from serving.server.servable import Servable
from serving.server.warmup import MAX_RECORDS

REQUESTS = Path("assets.extra") / "tf_serving_warmup_requests"
Record = Callable[..., None]


@pytest.fixture
def version(tmp_path: Path, publish: Callable[..., Path]) -> Path:
    return publish(tmp_path / "m", 1)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[list[float]]:
    """The inputs of each run."""
    runs, run = [], Servable.run

    def noted(servable: Servable, signature: Any, inputs: dict[str, np.ndarray]) -> Any:
        runs.append(inputs["x"].tolist())
        return run(servable, signature, inputs)

    monkeypatch.setattr(Servable, "run", noted)
    return runs


def log(*numbers: float, name: str = "x") -> bytes:
    request = predict_pb2.PredictRequest(inputs={name: tf.make_tensor_proto(list(numbers), tf.float32)})
    return prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request)).SerializeToString()


def message(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        embedded.start(folder.parent.parent, "m", host="localhost", port=0)
    return str(caught.value)


def test_recorded_requests_and_all_sizes_run_first(version: Path, record_warm_up: Record, serve, ran: list[list[float]]) -> None:
    record_warm_up(version, log(5.0, 6.0), b"", log(7.0))
    serve(version.parent.parent, "m", max_batch=4, allowed_batch_sizes="1,4")
    assert ran == [[5.0, 6.0], [7.0], [5.0], [5.0] * 4]


def test_without_allowed_sizes_every_doubling_runs(version: Path, record_warm_up: Record, serve, ran: list[list[float]]) -> None:
    record_warm_up(version, log(5.0))
    serve(version.parent.parent, "m", max_batch=6)
    assert ran == [[5.0], [5.0], [5.0] * 2, [5.0] * 4, [5.0] * 6]


def test_without_recorded_requests_nothing_runs(version: Path, serve, ran: list[list[float]]) -> None:
    serve(version.parent.parent, "m")
    assert ran == []


def test_a_broken_file(version: Path, record_warm_up: Record) -> None:
    record_warm_up(version, log(1.0))
    whole = (version / REQUESTS).read_bytes()
    (version / REQUESTS).write_bytes(whole[:-3])
    assert "Please verify your warmup data is in TFRecord format." in message(version)
    (version / REQUESTS).write_bytes(b"no records at all, whatever it is")
    assert "Please verify your warmup data is in TFRecord format." in message(version)


def test_broken_records(version: Path, record_warm_up: Record) -> None:
    record_warm_up(version, b"\xff no log")
    assert "Failed to parse warmup record" in message(version)
    record_warm_up(version, log(1.0, name="other"))
    assert "input size does not match signature" in message(version)
    record_warm_up(version, log(float("nan")))
    assert "not finite" in message(version)
    session_run = prediction_log_pb2.PredictionLog()
    session_run.session_run_log.SetInParent()
    record_warm_up(version, session_run.SerializeToString())
    assert "Unsupported log_type for warmup" in message(version)


def test_too_many_records(version: Path, record_warm_up: Record) -> None:
    record_warm_up(version, *[b""] * (MAX_RECORDS + 1))
    assert f"Number of warmup records exceeds the maximum ({MAX_RECORDS})" in message(version)


def test_a_later_version_that_fails_to_warm_up_is_not_offered(
    version: Path, publish, record_warm_up: Record, serve, wait_for, tmp_path: Path
) -> None:
    asked = serve(version.parent.parent, "m")
    later = publish(tmp_path / "elsewhere", 2)
    record_warm_up(later, log(float("nan")))
    shutil.move(later, version.parent / "2")
    wait_for(lambda: asked.states() == {1: "AVAILABLE", 2: "END"})
    newest = asked.status()[0].status
    assert (newest.error_code, "not finite" in newest.error_message) == (3, True)
    assert asked.version() == 1
