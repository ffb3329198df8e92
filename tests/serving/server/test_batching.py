"""Requests run together, and nobody notices: merging, filling up, splitting, isolation, limits."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc

from components.common.errors import UserError
from serving.server.servable import Servable
from serving.server.settings import ServerSettings

Serve = Callable[..., Any]
WaitFor = Callable[[Callable[[], bool]], None]


@dataclass
class Seen:
    """What ran: (requests, rows, padded rows) of each batch."""

    batches: list[tuple[int, int, int]] = field(default_factory=list)

    def ran(self, _model, _version, requests: int, rows: int, padded_rows: int, queue_seconds: float, run_seconds: float) -> None:
        assert queue_seconds >= 0
        assert run_seconds > 0
        self.batches.append((requests, rows, padded_rows))


class Gate:
    """Holds the runs of models until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.arrived, self.open = threading.Event(), threading.Event()
        run = Servable.run

        def run_when_open(*arguments: Any) -> Any:
            self.arrived.set()
            assert self.open.wait(30)
            return run(*arguments)

        monkeypatch.setattr(Servable, "run", run_when_open)


@pytest.fixture
def start(tmp_path: Path, publish: Callable[..., Path], serve: Serve) -> Callable[..., tuple[Any, Seen]]:
    """A server of one model with one worker, and what it ran."""

    def make(**settings: Any) -> tuple[Any, Seen]:
        publish(tmp_path / "m", 1)
        asked, seen = serve(tmp_path, "m", **{"workers": 1, **settings}), Seen()
        asked.server.core.batch_observers.append(seen)
        return asked, seen

    return make


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(40) as pool:
        yield pool


def waiting(asked: Any) -> int:
    return asked.server.core._batcher._waiting


def test_what_waits_together_runs_together(start, pool, monkeypatch, wait_for: WaitFor) -> None:
    asked, seen = start()
    gate = Gate(monkeypatch)
    first = pool.submit(asked.numbers, 0.0)
    assert gate.arrived.wait(20)
    others = [pool.submit(asked.numbers, *range(number, 2 * number)) for number in range(1, 6)]
    wait_for(lambda: waiting(asked) == 5)
    gate.open.set()
    assert first.result() == [0.0]
    assert [other.result() for other in others] == [list(range(number, 2 * number)) for number in range(1, 6)]
    wait_for(lambda: seen.batches == [(1, 1, 0), (5, 15, 0)])


def test_batches_have_allowed_sizes(start, pool, monkeypatch, wait_for: WaitFor) -> None:
    asked, seen = start(max_batch=8, allowed_batch_sizes="2,4,8")
    gate = Gate(monkeypatch)
    first = pool.submit(asked.numbers, 7.0)
    assert gate.arrived.wait(20)
    others = [pool.submit(asked.numbers, float(number)) for number in range(3)]
    wait_for(lambda: waiting(asked) == 3)
    gate.open.set()
    assert first.result() == [7.0]
    assert [other.result() for other in others] == [[0.0], [1.0], [2.0]]
    wait_for(lambda: seen.batches == [(1, 1, 1), (3, 3, 1)])


def test_long_requests_are_split_and_joined(start, wait_for: WaitFor) -> None:
    asked, seen = start(max_batch=4)
    numbers = [float(number) for number in range(11)]
    assert asked.numbers(*numbers) == numbers
    wait_for(lambda: seen.batches == [(1, 4, 0), (1, 4, 0), (1, 3, 0)])


@pytest.mark.parametrize("bad", [0, 3, 4])
def test_a_bad_row_fails_its_own_request_alone(start, pool, monkeypatch, wait_for: WaitFor, bad: int) -> None:
    asked, _ = start()
    gate = Gate(monkeypatch)
    first = pool.submit(asked.numbers, 0.0)
    assert gate.arrived.wait(20)
    values = [float("nan") if number == bad else float(number) for number in range(5)]
    others = [pool.submit(asked.numbers, value) for value in values]
    wait_for(lambda: waiting(asked) == 5)
    gate.open.set()
    assert first.result() == [0.0]
    for number, other in enumerate(others):
        if number == bad:
            with pytest.raises(grpc.RpcError) as caught:
                other.result()
            assert (caught.value.code().name, "not finite" in caught.value.details()) == ("INVALID_ARGUMENT", True)
        else:
            assert other.result() == [float(number)]


def test_a_bad_row_of_a_long_request_fails_it(start) -> None:
    asked, _ = start(max_batch=4)
    with pytest.raises(grpc.RpcError, match="not finite"):
        asked.numbers(*[float("nan") if number == 6 else 1.0 for number in range(11)])
    assert asked.numbers(5.0) == [5.0]


def test_a_full_queue_refuses_at_once_and_recovers(start, pool, monkeypatch, wait_for: WaitFor) -> None:
    asked, _ = start(queue=3, max_batch=1)
    gate = Gate(monkeypatch)
    first = pool.submit(asked.numbers, 0.0)
    assert gate.arrived.wait(20)
    others = [pool.submit(asked.numbers, 1.0) for _ in range(3)]
    wait_for(lambda: waiting(asked) == 3)
    for _ in range(20):
        assert asked.refusal() == (
            "RESOURCE_EXHAUSTED",
            "The batch scheduling queue to which this task was submitted is full",
        )
    health = health_pb2_grpc.HealthStub(asked.channel)
    assert health.Check(health_pb2.HealthCheckRequest(), timeout=20).status == health_pb2.HealthCheckResponse.SERVING
    gate.open.set()
    assert [future.result() for future in (first, *others)] == [[0.0], [1.0], [1.0], [1.0]]
    assert asked.numbers(2.0) == [2.0]


def test_large_requests_fill_the_queue_too(start, pool, monkeypatch, wait_for: WaitFor) -> None:
    asked, _ = start(max_message_bytes=20_000)
    gate = Gate(monkeypatch)
    first = pool.submit(asked.numbers, 0.0)
    assert gate.arrived.wait(20)
    others = [pool.submit(asked.numbers, *[1.0] * 2000) for _ in range(10)]
    wait_for(lambda: asked.server.core._batcher._waiting_bytes >= 80_000)
    assert asked.refusal()[0] == "RESOURCE_EXHAUSTED"
    gate.open.set()
    assert first.result() == [0.0]
    assert [len(other.result()) for other in others] == [2000] * 10


def test_who_gives_up_is_not_run(start, pool, monkeypatch, wait_for: WaitFor) -> None:
    asked, seen = start()
    gate = Gate(monkeypatch)
    first = pool.submit(asked.numbers, 0.0)
    assert gate.arrived.wait(20)
    given_up = [asked.prediction.Predict.future(asked.request(), timeout=30) for _ in range(3)]
    patient = pool.submit(asked.numbers, 1.0)
    wait_for(lambda: waiting(asked) == 4)
    for one in given_up:
        one.cancel()
    wait_for(lambda: waiting(asked) == 1)
    gate.open.set()
    assert (first.result(), patient.result()) == ([0.0], [1.0])
    wait_for(lambda: seen.batches == [(1, 1, 0), (1, 1, 0)])


def test_a_deadline_that_passes_leaves_the_queue(start, pool, monkeypatch, wait_for: WaitFor) -> None:
    asked, _ = start()
    gate = Gate(monkeypatch)
    first = pool.submit(asked.numbers, 0.0)
    assert gate.arrived.wait(20)
    with pytest.raises(grpc.RpcError) as caught:
        asked.prediction.Predict(asked.request(), timeout=0.2)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    wait_for(lambda: waiting(asked) == 0)
    gate.open.set()
    assert first.result() == [0.0]


def test_a_full_batch_does_not_wait_for_its_timeout(start, pool, wait_for: WaitFor) -> None:
    asked, seen = start(max_batch=2, batch_timeout_ms=3_600_000)
    both = [pool.submit(asked.numbers, number) for number in (1.0, 2.0)]
    assert sorted(one.result(30)[0] for one in both) == [1.0, 2.0]
    wait_for(lambda: seen.batches == [(2, 2, 0)])


def test_a_timeout_that_passes_runs_what_there_is(start, wait_for: WaitFor) -> None:
    asked, seen = start(max_batch=2, batch_timeout_ms=20)
    assert asked.numbers(1.0) == [1.0]
    wait_for(lambda: seen.batches == [(1, 1, 0)])


def test_without_batching_everything_runs_alone(start, pool, monkeypatch, wait_for: WaitFor) -> None:
    asked, seen = start(batching=False, max_batch=2)
    gate = Gate(monkeypatch)
    answers = [pool.submit(asked.numbers, *[float(number)] * 3) for number in range(4)]
    wait_for(lambda: waiting(asked) == 3)
    gate.open.set()
    assert [answer.result() for answer in answers] == [[float(number)] * 3 for number in range(4)]
    wait_for(lambda: len(seen.batches) == 4)


class Mixed(tf.Module):
    """`rows` has rows of any length; `all` sees all of them at once."""

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float32, name="x")])
    def rows(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": tf.reduce_sum(x, 1)}

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float32, name="x")])
    def all(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": tf.reduce_sum(x)}

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float32, name="x")])
    def none(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": x[:-1, 0]}


@pytest.fixture
def mixed(tmp_path: Path, serve: Serve) -> tuple[Any, Seen]:
    model = Mixed()
    signatures = {"serving_default": model.rows, "all": model.all, "none": model.none}
    tf.saved_model.save(model, str(tmp_path / "m" / "1"), signatures=signatures)
    asked, seen = serve(tmp_path, "m", workers=1), Seen()
    asked.server.core.batch_observers.append(seen)
    return asked, seen


def test_only_what_is_alike_runs_together(mixed, pool, monkeypatch, wait_for: WaitFor) -> None:
    asked, seen = mixed

    def ask(signature: str, *shape: int) -> list[float]:
        request = asked.request()
        request.model_spec.signature_name = signature
        request.inputs["x"].CopyFrom(tf.make_tensor_proto(np.ones(shape, np.float32)))
        return list(asked.prediction.Predict(request, timeout=30).outputs["y"].float_val)

    gate = Gate(monkeypatch)
    first = pool.submit(ask, "", 1, 1)
    assert gate.arrived.wait(20)
    asks = [("", 1, 2), ("", 2, 3), ("", 1, 2), ("all", 2, 2), ("all", 1, 2), ("none", 2, 2), ("none", 3, 2)]
    answers = [pool.submit(ask, *one) for one in asks]
    wait_for(lambda: waiting(asked) == len(asks))
    gate.open.set()
    assert first.result() == [1.0]
    assert [answer.result() for answer in answers] == [[2.0], [3.0, 3.0], [2.0], [4.0], [2.0], [1.0], [1.0, 1.0]]
    wait_for(lambda: (2, 2, 0) in seen.batches)


@pytest.mark.parametrize("sizes", ["a", "4,2", "2,4", "0,8", "8,8", ","])
def test_allowed_sizes_must_rise_to_the_largest_batch(sizes: str) -> None:
    with pytest.raises(UserError, match="--allowed-batch-sizes: expected rising numbers that end with the largest batch"):
        ServerSettings(max_batch=8, allowed_batch_sizes=sizes).batch_settings()
