"""The request log: what TF Serving's readers find in it, and what it does when it cannot write."""

import logging
import re
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from serving.server.core import Call
from serving.server.request_log import RequestLog

DEADLINE_S = 20.0
Start = Callable[..., RequestLog]


def call(number: int, *, model: str = "marque", code: grpc.StatusCode = grpc.StatusCode.OK, method: str = "Predict") -> Call:
    request = PredictRequest()
    request.model_spec.name = model
    request.inputs["jpeg"].CopyFrom(tf.make_tensor_proto([f"photo {number}".encode() + bytes(1000)]))
    response = PredictResponse()
    response.model_spec.CopyFrom(request.model_spec)
    response.model_spec.version.value = 2
    response.outputs["scores"].CopyFrom(tf.make_tensor_proto([[0.5]]))
    return Call(method, "GRPC", model, 2, code, 0.001, request, response)


@pytest.fixture
def counts() -> Counter[tuple[str, str]]:
    return Counter()


@pytest.fixture
def start(tmp_path: Path, counts: Counter[tuple[str, str]]) -> Iterator[Start]:
    """Starts a request log in `tmp_path`; what it counts goes to `counts`."""
    started: list[RequestLog] = []

    def begin(share: float = 1.0, folder: Path = tmp_path, **limits: float) -> RequestLog:
        log = RequestLog(folder, share, lambda model, code: counts.update([(model, code.name)]), **limits)
        started.append(log)
        return log

    yield begin
    for log in started:
        log.stop()


def read(files: list[Path]) -> list[PredictionLog]:
    return [
        PredictionLog.FromString(record) for record in tf.data.TFRecordDataset([str(path) for path in files]).as_numpy_iterator()
    ]


def numbers(files: list[Path]) -> list[int]:
    """The numbers of the logged calls, in the order of the files."""
    photos = (tf.make_ndarray(log.predict_log.request.inputs["jpeg"])[0] for log in read(files))
    return [int(photo.rstrip(b"\0").split()[-1]) for photo in photos]


def files_of(folder: Path, model: str = "marque") -> list[Path]:
    return sorted((folder / model).glob("*.tfrecord"), key=lambda path: int(path.stem.rsplit("-", 1)[-1]))


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_requests_and_answers_are_prediction_logs(tmp_path: Path, start: Start, counts: Counter[tuple[str, str]]) -> None:
    before = int(time.time())
    log = start()
    log.finished(call(1))
    log.finished(call(2))
    log.finished(call(3, model="other"))
    log.stop()
    (path,) = files_of(tmp_path)
    assert re.fullmatch(r"\d{8}T\d{6}Z-\d+-1\.tfrecord", path.name)
    logs = read([path])
    assert [each.predict_log.request for each in logs] == [call(1).request, call(2).request]
    assert [each.predict_log.response for each in logs] == [call(1).response, call(2).response]
    metadata = logs[0].log_metadata
    assert (metadata.model_spec.name, metadata.model_spec.version.value, metadata.sampling_config.sampling_rate) == (
        "marque",
        2,
        1.0,
    )
    assert before <= metadata.timestamp_secs <= int(time.time())
    assert numbers(files_of(tmp_path, "other")) == [3]
    assert counts == {("marque", "OK"): 2, ("other", "OK"): 1}
    assert sorted(path.suffix for path in tmp_path.rglob("*-*")) == [".tfrecord", ".tfrecord"]


def test_failures_and_other_calls_are_left_out(tmp_path: Path, start: Start) -> None:
    log = start()
    log.finished(call(1, code=grpc.StatusCode.INVALID_ARGUMENT))
    log.finished(call(2, method="GetModelStatus"))
    log.stop()
    assert list(tmp_path.iterdir()) == []


def test_the_same_seed_gives_the_same_sample(tmp_path: Path, start: Start) -> None:
    samples = []
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        log = start(0.25, tmp_path / name, seed=seed)
        for number in range(400):
            log.finished(call(number))
        log.stop()
        samples.append(numbers(files_of(tmp_path / name)))
    assert samples[0] == samples[1] != samples[2]
    assert 60 < len(samples[0]) < 140


def test_a_full_file_is_followed_by_the_next(tmp_path: Path, start: Start) -> None:
    log = start(max_file_bytes=5000)
    for number in range(20):
        log.finished(call(number))
    log.stop()
    files = files_of(tmp_path)
    assert len(files) == 4
    assert numbers(files) == list(range(20))


def test_an_old_file_is_complete_though_nothing_follows(tmp_path: Path, start: Start) -> None:
    log = start(max_file_s=0.05)
    log.finished(call(1))
    wait_until(lambda: numbers(files_of(tmp_path)) == [1])


def test_a_file_shows_when_it_is_complete(tmp_path: Path, start: Start, counts: Counter[tuple[str, str]]) -> None:
    log = start()
    log.finished(call(1))
    wait_until(lambda: counts["marque", "OK"] == 1)
    assert [path.suffix for path in (tmp_path / "marque").iterdir()] == [".partial"]
    log.stop()
    assert numbers(files_of(tmp_path)) == [1]


def test_the_oldest_files_go(tmp_path: Path, start: Start) -> None:
    (tmp_path / "marque").mkdir()
    left_behind = tmp_path / "marque" / "20200101T000000Z-1-1.tfrecord.partial"
    left_behind.write_bytes(bytes(3000))
    log = start(max_file_bytes=2000, max_bytes=6000)
    for number in range(20):
        log.finished(call(number))
    log.stop()
    assert numbers(files_of(tmp_path)) == [16, 17, 18, 19]
    assert not left_behind.exists()


def test_a_full_disk_costs_samples_and_no_more(
    tmp_path: Path, start: Start, counts: Counter[tuple[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    log = start()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2500, hard))
    try:
        with caplog.at_level(logging.WARNING):
            for number in range(7):
                log.finished(call(number))
            wait_until(lambda: counts.total() == 7)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    log.finished(call(7))
    log.stop()
    assert counts == {("marque", "OK"): 6, ("marque", "DATA_LOSS"): 2}
    assert numbers(files_of(tmp_path)) == [0, 1, 3, 4, 6, 7]
    assert list(tmp_path.rglob("*.partial")) == []
    assert all("requests cannot be logged there: File too large" in record.getMessage() for record in caplog.records)


def test_a_folder_that_cannot_be_is_said_once(
    tmp_path: Path, start: Start, counts: Counter[tuple[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    log = start(folder=tmp_path / "file")
    with caplog.at_level(logging.WARNING):
        for number in range(3):
            log.finished(call(number))
        log.stop()
    assert counts == {("marque", "DATA_LOSS"): 3}
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path / 'file'}: requests cannot be logged there: Not a directory; they are answered all the same"
    ]


@pytest.mark.parametrize(
    ("model", "folder"), [("../up", "%2E.%2Fup"), ("..", "%2E."), ("/tmp", "%2Ftmp"), ("a\0b", "a%00b"), ("v1.2", "v1.2")]
)
def test_no_name_of_a_model_leads_elsewhere(tmp_path: Path, start: Start, model: str, folder: str) -> None:
    log = start(folder=tmp_path / "log")
    log.finished(call(1, model=model))
    log.stop()
    assert numbers(files_of(tmp_path / "log", folder)) == [1]
    assert list(tmp_path.iterdir()) == [tmp_path / "log"]


def test_what_does_not_fit_the_queue_is_counted(tmp_path: Path, start: Start, counts: Counter[tuple[str, str]]) -> None:
    log = start(max_waiting_bytes=500)
    log.finished(call(1))
    log.stop()
    assert counts == {("marque", "RESOURCE_EXHAUSTED"): 1}
    assert files_of(tmp_path) == []
