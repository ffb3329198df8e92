"""Tiny SavedModels that say which version they are, repositories of them, and servers of configs."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import get_model_status_pb2, model_service_pb2_grpc, predict_pb2, prediction_service_pb2_grpc

from components.common.repository import GRAPH
from serving.server import server as embedded

DEADLINE_S = 30.0
Publish = Callable[..., Path]


class Numbered(tf.Module):
    """Answers numbers with themselves, and with its version."""

    def __init__(self, version: int):
        super().__init__()
        self.version = tf.Variable(version, dtype=tf.int64)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def serve(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        checked = tf.debugging.assert_all_finite(x, "not finite")
        return {"y": checked, "version": tf.fill(tf.shape(x), self.version)}


@pytest.fixture(scope="session")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """The SavedModel that answers with a version, made once."""
    folder = tmp_path_factory.mktemp("numbered")

    def make(version: int) -> Path:
        path = folder / str(version)
        if not path.exists():
            model = Numbered(version)
            tf.saved_model.save(model, str(path), signatures={"serving_default": model.serve})
        return path

    return make


@pytest.fixture
def publish(numbered: Callable[[int], Path]) -> Publish:
    """Puts a version below a base path as a deploy does, its graph last; `answers` is the version it says it is."""

    def put(base_path: Path, version: int, answers: int | None = None) -> Path:
        target = base_path / str(version)
        source = numbered(version if answers is None else answers)
        shutil.copytree(source, target, ignore=shutil.ignore_patterns(GRAPH))
        shutil.copyfile(source / GRAPH, target / "graph.partial")
        (target / "graph.partial").rename(target / GRAPH)
        return target

    return put


class Asked:
    """A server in this process, and the stubs to ask it."""

    def __init__(self, server: embedded.Server):
        self.server = server
        self.address = f"localhost:{server.port}"
        self.channel = grpc.insecure_channel(self.address)
        self.prediction = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(self.channel)

    def request(self, *numbers: float, model: str = "m", version: int | None = None, label: str = "") -> predict_pb2.PredictRequest:
        request = predict_pb2.PredictRequest()
        request.model_spec.name = model
        if version is not None:
            request.model_spec.version.value = version
        if label:
            request.model_spec.version_label = label
        request.inputs["x"].CopyFrom(tf.make_tensor_proto(list(numbers or (1.0,)), tf.float32))
        return request

    def version(self, **spec: Any) -> int:
        """The version that answers, by its own word and by the server's."""
        response = self.prediction.Predict(self.request(**spec), timeout=DEADLINE_S)
        (said,) = response.outputs["version"].int64_val
        assert response.model_spec.version.value == said
        return said

    def numbers(self, *numbers: float, **spec: Any) -> list[float]:
        return list(self.prediction.Predict(self.request(*numbers, **spec), timeout=DEADLINE_S).outputs["y"].float_val)

    def refusal(self, **spec: Any) -> tuple[str, str]:
        with pytest.raises(grpc.RpcError) as caught:
            self.prediction.Predict(self.request(**spec), timeout=DEADLINE_S)
        return caught.value.code().name, caught.value.details()

    def states(self, model: str = "m") -> dict[int, str]:
        return {status.version: get_model_status_pb2.ModelVersionStatus.State.Name(status.state) for status in self.status(model)}

    def status(self, model: str = "m") -> list[get_model_status_pb2.ModelVersionStatus]:
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = model
        return list(self.models.GetModelStatus(request, timeout=DEADLINE_S).model_version_status)


@pytest.fixture
def serve() -> Iterator[Callable[..., Asked]]:
    """Starts servers as `serving.server.server.start` does, and stops them."""
    started: list[Asked] = []

    def start(*arguments: Any, **settings: Any) -> Asked:
        asked = Asked(embedded.start(*arguments, **{"host": "localhost", "port": 0, "poll_s": 0.02, **settings}))
        started.append(asked)
        return asked

    yield start
    for asked in started:
        asked.channel.close()
        asked.server.stop(0)


def wait_for(what: Callable[[], bool]) -> None:
    """Polls until it is so."""
    deadline = time.monotonic() + DEADLINE_S
    while not what():
        assert time.monotonic() < deadline, "it did not come to be in time"
        time.sleep(0.01)


@pytest.fixture(name="wait_for", scope="session")
def _wait_for() -> Callable[[Callable[[], bool]], None]:
    return wait_for


@pytest.fixture(scope="session")
def record_warm_up() -> Callable[..., None]:
    """Writes records as the warm-up requests of a version."""

    def write(folder: Path, *records: bytes) -> None:
        (folder / "assets.extra").mkdir(exist_ok=True)
        with tf.io.TFRecordWriter(str(folder / "assets.extra" / "tf_serving_warmup_requests")) as writer:
            for record in records:
                writer.write(record)

    return write
