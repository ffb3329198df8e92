"""The page for Prometheus: TF Serving's names, labels and units, as Prometheus's own parser reads them."""

import timeit
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse

from serving.server.core import Call
from serving.server.metrics import MAX_LABEL_SETS, OTHER, Metrics

MAX_SECONDS_A_REQUEST = 20e-6


def call(
    code: grpc.StatusCode = grpc.StatusCode.OK, *, model: str = "marque", method: str = "Predict", entrypoint: str = "GRPC"
) -> Call:
    return Call(method, entrypoint, model, 2, code, 0.0015, PredictRequest(), PredictResponse())


def samples(metrics: Metrics) -> dict[str, dict[tuple[str, ...], float]]:
    """The page's samples: name -> values of the labels -> value. The parser adds the _total that TF Serving leaves out."""
    read: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(metrics.text([("marque", 3), ("marque", 2)]).decode()):
        for sample in family.samples:
            name = sample.name.removesuffix("_total") if sample.name.startswith(":") else sample.name
            read.setdefault(name, {})[tuple(sample.labels.values())] = sample.value
    return read


def test_requests_are_counted_by_status_and_timed_when_they_went_well() -> None:
    metrics = Metrics()
    for _ in range(2):
        metrics.finished(call())
    metrics.finished(call(entrypoint="REST"))
    metrics.finished(call(grpc.StatusCode.INVALID_ARGUMENT))
    metrics.finished(call(method="GetModelStatus"))
    metrics.refused("marque", grpc.StatusCode.INVALID_ARGUMENT)
    read = samples(metrics)
    assert read[":tensorflow:serving:request_count"] == {("marque", "OK"): 3, ("marque", "INVALID_ARGUMENT"): 2}
    assert read[":tensorflow:serving:request_latency_count"] == {
        ("marque", "Predict", "GRPC"): 2,
        ("marque", "predict", "REST"): 1,
    }
    assert read[":tensorflow:serving:request_latency_sum"]["marque", "Predict", "GRPC"] == pytest.approx(3000)
    buckets = {
        labels[-1]: count for labels, count in read[":tensorflow:serving:request_latency_bucket"].items() if "GRPC" in labels
    }
    assert len(buckets) == 34
    assert (buckets["10"], buckets["1102"], buckets["1983.59"], buckets["+Inf"]) == (0, 0, 2, 2)
    text = metrics.text().decode()
    assert '\n:tensorflow:serving:request_count{model_name="marque",status="OK"} 3\n' in text
    assert "\n# TYPE :tensorflow:serving:request_latency histogram\n" in text


def test_batches() -> None:
    metrics = Metrics()
    metrics.ran("marque", 2, 3, 5, 3, 0.0002, 0.003)
    metrics.ran("marque", 2, 1, 8, 0, 0.0004, 0.005)
    read = samples(metrics)
    session = ":tensorflow:serving:batching_session"
    assert read[f"{session}:wrapped_run_count"] == {(): 2}
    assert read[f"{session}:queuing_latency_sum"] == {("marque",): pytest.approx(600)}
    assert read[f"{session}:processed_batch_size_bucket"]["marque", "8"] == 2
    assert read[f"{session}:processed_batch_size_bucket"]["marque", "4"] == 0
    assert read[f"{session}:padding_size_sum"] == {("marque",): 3}
    assert read[":tensorflow:serving:runtime_latency_sum"] == {("marque", "Predict", "TF2"): pytest.approx(8000)}


def test_versions_and_the_process() -> None:
    read = samples(Metrics())
    assert read["marque_model_version_available"] == {("marque", "2"): 1, ("marque", "3"): 1}
    assert read["process_resident_memory_bytes"][()] > 1e6


def test_any_name_of_a_model_can_be_read_back() -> None:
    metrics = Metrics()
    metrics.finished(call(model='a"b\\c\nd,}'))
    assert list(samples(metrics)[":tensorflow:serving:request_count"]) == [('a"b\\c\nd,}', "OK")]


def test_made_up_names_of_models_do_not_fill_the_memory() -> None:
    metrics = Metrics()
    for number in range(3 * MAX_LABEL_SETS):
        metrics.finished(call(grpc.StatusCode.NOT_FOUND, model=f"model-{number}"))
    counted = samples(metrics)[":tensorflow:serving:request_count"]
    assert counted[OTHER, "NOT_FOUND"] == 2 * MAX_LABEL_SETS
    assert len(counted) == MAX_LABEL_SETS + 1


def test_no_request_is_lost_between_threads() -> None:
    metrics = Metrics()
    with ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            pool.submit(lambda: [metrics.finished(call()) for _ in range(2000)])
    read = samples(metrics)
    assert read[":tensorflow:serving:request_count"]["marque", "OK"] == 8000
    assert read[":tensorflow:serving:request_latency_count"]["marque", "Predict", "GRPC"] == 8000


def test_a_request_costs_microseconds() -> None:
    metrics, finished = Metrics(), call()
    assert min(timeit.repeat(lambda: metrics.finished(finished), number=1000, repeat=10)) / 1000 < MAX_SECONDS_A_REQUEST
