"""Counts and latencies for Prometheus, under TF Serving's names, labels, units and buckets.

The names come from TF Serving's `servables/tensorflow/util.cc`, `core/request_logger.cc` and `batching/batching_session.cc`, the
form from `util/prometheus_exporter.cc`: a counter has no `_total`, so the page is written here and not by prometheus_client. Added
are the versions that answer, and the process's own memory, CPU and files. Safe from any thread.
"""

import bisect
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import grpc
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

if TYPE_CHECKING:
    from serving.server.core import Call

PATH = "/monitoring/prometheus/metrics"
REQUEST_COUNT = ":tensorflow:serving:request_count"
REQUEST_LATENCY = ":tensorflow:serving:request_latency"
RUNTIME_LATENCY = ":tensorflow:serving:runtime_latency"
REQUEST_LOG_COUNT = ":tensorflow:serving:request_log_count"
QUEUING_LATENCY = ":tensorflow:serving:batching_session:queuing_latency"
RUN_COUNT = ":tensorflow:serving:batching_session:wrapped_run_count"
PROCESSED_BATCH_SIZE = ":tensorflow:serving:batching_session:processed_batch_size"
PADDING_SIZE = ":tensorflow:serving:batching_session:padding_size"
AVAILABLE = "marque_model_version_available"

COUNTED_METHODS = ("Predict", "Classify", "Regress")
MICROSECONDS = 1e6
MAX_LABEL_SETS = 1000
OTHER = "(other)"
Labels = tuple[str, ...]


def exponential(scale: float, growth: float, count: int) -> list[float]:
    """The upper bounds of `count` buckets, each `growth` times the one before; one without a bound follows them."""
    return [scale * growth**power for power in range(count)]


class _Counter:
    kind = "counter"

    def __init__(self, labels: Labels):
        self._labels = labels
        self._cells: dict[Labels, int] = {}

    def add(self, labels: Labels) -> None:
        self._cells[labels] = self._cells.get(labels, 0) + 1

    def has_room(self, labels: Labels) -> bool:
        return labels in self._cells or len(self._cells) < MAX_LABEL_SETS

    def lines(self, name: str) -> Iterable[str]:
        for labels, count in sorted(self._cells.items()):
            yield f"{name}{{{_pairs(self._labels, labels)}}} {count}"


class _Histogram:
    kind = "histogram"

    def __init__(self, labels: Labels, bounds: Sequence[float]):
        self._labels = labels
        self._bounds = bounds
        self._cells: dict[Labels, list[float]] = {}

    def add(self, labels: Labels, value: float) -> None:
        cell = self._cells.get(labels)
        if cell is None:
            cell = self._cells[labels] = [0.0] * (len(self._bounds) + 2)
        cell[bisect.bisect_left(self._bounds, value)] += 1
        cell[-1] += value

    def lines(self, name: str) -> Iterable[str]:
        limits = [*(f"{bound:.6g}" for bound in self._bounds), "+Inf"]
        for labels, (*counts, total) in sorted(self._cells.items()):
            pairs, so_far = _pairs(self._labels, labels), 0
            for limit, count in zip(limits, counts, strict=True):
                so_far += int(count)
                yield f'{name}_bucket{{{pairs},le="{limit}"}} {so_far}'
            yield f"{name}_sum{{{pairs}}} {total}"
            yield f"{name}_count{{{pairs}}} {so_far}"


class Metrics:
    """What happened since the start: an observer of calls and of batches, and the page that tells of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        latency = exponential(10, 1.8, 33)
        sizes = exponential(1, 2, 14)
        self._request_count = _Counter(("model_name", "status"))
        self._request_latency = _Histogram(("model_name", "API", "entrypoint"), latency)
        self._runtime_latency = _Histogram(("model_name", "API", "runtime"), latency)
        self._log_count = _Counter(("model_name", "status_code"))
        self._queuing_latency = _Histogram(("thread_pool_name",), exponential(100, 1.2, 52))
        self._run_count = _Counter(())
        self._processed = _Histogram(("model_name",), sizes)
        self._padding = _Histogram(("model_name",), sizes)
        self._families: Mapping[str, _Counter | _Histogram] = {
            REQUEST_COUNT: self._request_count,
            REQUEST_LATENCY: self._request_latency,
            RUNTIME_LATENCY: self._runtime_latency,
            REQUEST_LOG_COUNT: self._log_count,
            QUEUING_LATENCY: self._queuing_latency,
            RUN_COUNT: self._run_count,
            PROCESSED_BATCH_SIZE: self._processed,
            PADDING_SIZE: self._padding,
        }
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)

    def finished(self, call: "Call") -> None:
        """Counts a call by its status; of those that went well, takes the time."""
        if call.method not in COUNTED_METHODS:
            return
        with self._lock:
            self._count(call.model, call.code)
            if call.code is grpc.StatusCode.OK:
                api = call.method if call.entrypoint == "GRPC" else call.method.lower()
                self._request_latency.add((call.model, api, call.entrypoint), call.seconds * MICROSECONDS)

    def refused(self, model: str, code: grpc.StatusCode) -> None:
        """Counts a request that was turned away before it became a call."""
        with self._lock:
            self._count(model, code)

    def ran(
        self, model: str, version: int, requests: int, rows: int, padded_rows: int, queue_seconds: float, run_seconds: float
    ) -> None:
        """Counts a batch: how long it waited, how long it ran, its rows and how many were added to fill it up."""
        with self._lock:
            self._run_count.add(())
            self._queuing_latency.add((model,), queue_seconds * MICROSECONDS)
            self._runtime_latency.add((model, "Predict", "TF2"), run_seconds * MICROSECONDS)
            self._processed.add((model,), rows + padded_rows)
            self._padding.add((model,), padded_rows)

    def logged(self, model: str, code: grpc.StatusCode) -> None:
        """Counts a sampled request: OK where it was written to the request log, else why it was not."""
        with self._lock:
            self._log_count.add((model, code.name))

    def text(self, available: Iterable[tuple[str, int]] = ()) -> bytes:
        """The page for Prometheus (text format 0.0.4); `available` are the models and versions that answer just now."""
        lines = []
        with self._lock:
            for name, family in self._families.items():
                lines += [f"# TYPE {name} {family.kind}", *family.lines(name)]
        lines.append(f"# TYPE {AVAILABLE} gauge")
        for model, version in sorted(available):
            lines.append(f"{AVAILABLE}{{{_pairs(('model_name', 'version'), (model, str(version)))}}} 1")
        return "\n".join([*lines, ""]).encode() + generate_latest(self._registry)

    def _count(self, model: str, code: grpc.StatusCode) -> None:
        labels = (model, code.name)
        # Anyone may make up names of models: they must not fill the memory.
        self._request_count.add(labels if self._request_count.has_room(labels) else (OTHER, code.name))


def _pairs(names: Labels, values: Labels) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True))


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
