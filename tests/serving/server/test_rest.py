"""REST through real HTTP: TF Serving's documented examples, its errors and codes, and bodies that mean harm."""

import base64
import gzip
import json
import socket
import time
import timeit
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
import requests
import tensorflow as tf

from serving.server import server as embedded

MakePhoto = Callable[..., bytes]
TIMEOUT_S = 60
MAX_MESSAGE_BYTES = 100_000
tf1 = tf.compat.v1


def save_half_plus_three(folder: Path) -> None:
    """The model of TF Serving's documentation: x / 2 + 3, for predict, regress and classify."""
    with tf1.Graph().as_default(), tf1.Session() as session:
        examples = tf1.placeholder(tf.string, [None], name="tf_example")
        parsed = tf1.parse_example(examples, {"x": tf1.FixedLenFeature([1], tf.float32)})
        half, three = tf1.Variable(0.5), tf1.Variable(3.0)
        x = tf1.placeholder(tf.float32, [None], name="x")
        of_examples = parsed["x"] * half + three
        session.run(tf1.global_variables_initializer())
        info, make = tf1.saved_model.build_tensor_info, tf1.saved_model.build_signature_def
        signatures = {
            "serving_default": make({"x": info(x)}, {"y": info(x * half + three)}, "tensorflow/serving/predict"),
            "tensorflow/serving/regress": make(
                {"inputs": info(examples)}, {"outputs": info(of_examples)}, "tensorflow/serving/regress"
            ),
            "classify_x_to_y": make({"inputs": info(examples)}, {"scores": info(of_examples)}, "tensorflow/serving/classify"),
        }
        builder = tf1.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(session, ["serve"], signature_def_map=signatures)
        builder.save()


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of half_plus_three, with a low limit on the size of messages."""
    folder = tmp_path_factory.mktemp("half")
    save_half_plus_three(folder / "half_plus_three" / "123")
    running = embedded.start(folder, "half_plus_three", host="localhost", port=0, rest_port=0, max_message_bytes=MAX_MESSAGE_BYTES)
    yield f"http://localhost:{running.rest_port}"
    running.stop(0)


def post(address: str, path: str, body: str | bytes, **headers: str) -> requests.Response:
    return requests.post(address + path, data=body, headers=headers, timeout=TIMEOUT_S)


MODEL = "/v1/models/half_plus_three"


@pytest.mark.parametrize(
    ("path", "body", "answer"),
    [
        (":predict", '{"instances": [1.0,2.0,5.0]}', {"predictions": [3.5, 4.0, 5.5]}),
        (":predict", '{"inputs": [1.0,2.0,5.0]}', {"outputs": [3.5, 4.0, 5.5]}),
        (":predict", '{"inputs": {"x": [1.0]}, "signature_name": "serving_default"}', {"outputs": [3.5]}),
        ("/versions/123:predict", '{"instances": [{"x": 1.0}, {"x": 2}]}', {"predictions": [3.5, 4.0]}),
        (
            ":regress",
            '{"signature_name": "tensorflow/serving/regress", "examples": [{"x": 1.0}, {"x": 2.0}]}',
            {"results": [3.5, 4.0]},
        ),
        (
            ":regress",
            '{"signature_name": "tensorflow/serving/regress", "context": {"x": 2.0}, "examples": [{}]}',
            {"results": [4.0]},
        ),
        (
            "/versions/123:classify",
            '{"signature_name": "classify_x_to_y", "examples": [{"x": 20.0}]}',
            {"results": [[["", 13.0]]]},
        ),
    ],
)
def test_the_documented_examples(half: str, path: str, body: str, answer: object) -> None:
    response = post(half, MODEL + path, body)
    assert (response.status_code, response.json()) == (200, answer)
    assert response.headers["Content-Type"] == "application/json"


def test_status_as_documented(half: str) -> None:
    answer = """{
 "model_version_status": [
  {
   "version": "123",
   "state": "AVAILABLE",
   "status": {
    "error_code": "OK",
    "error_message": ""
   }
  }
 ]
}
"""
    for path in ("", "/versions/123"):
        response = requests.get(half + MODEL + path, timeout=TIMEOUT_S)
        assert (response.status_code, response.text) == (200, answer)


def test_metadata(half: str) -> None:
    response = requests.get(half + MODEL + "/metadata", timeout=TIMEOUT_S)
    assert response.status_code == 200
    answer = response.json()
    assert answer["model_spec"] == {"name": "half_plus_three", "signature_name": "", "version": "123"}
    signature = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["method_name"] == "tensorflow/serving/predict"
    assert signature["inputs"]["x"] == {
        "name": "x:0",
        "dtype": "DT_FLOAT",
        "tensor_shape": {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False},
    }
    assert requests.get(half + MODEL + "/versions/123/metadata", timeout=TIMEOUT_S).json() == answer


NO_VERSION = "Servable not found for request: Specific(half_plus_three, 7)"
NO_SIGNATURE = 'Serving signature name: "x" not found in signature def'
NO_CLASSIFIER = "Expected classification signature method_name to be tensorflow/serving/classify. Was: tensorflow/serving/predict"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        ("POST", "/v1/models/half:predict", '{"instances": [1.0, 5.0]}', 404, "Servable not found for request: Latest(half)"),
        ("POST", f"{MODEL}/versions/7:predict", '{"instances": [1.0]}', 404, NO_VERSION),
        ("POST", f"{MODEL}/labels/stable:predict", '{"instances": [1.0]}', 400, "Unrecognized servable version label: stable"),
        ("POST", f"{MODEL}/versions/{2**64}:predict", "{}", 400, f"Failed to convert version: {2**64} to numeric."),
        ("POST", f"{MODEL}/versions/{'9' * 5000}:predict", "{}", 400, f"Failed to convert version: {'9' * 5000} to numeric."),
        ("POST", f"{MODEL}:predict", "", 400, "JSON Parse error: The document is empty"),
        ("POST", f"{MODEL}:predict", "{}", 400, "Missing 'inputs' or 'instances' key"),
        ("POST", f"{MODEL}:predict", '{"signature_name": "x", "instances": [1]}', 400, NO_SIGNATURE),
        ("POST", f"{MODEL}:predict", '{"instances": ["a"]}', 400, None),
        ("POST", f"{MODEL}:classify", '{"examples": [{"x": 1.0}]}', 400, NO_CLASSIFIER),
        ("POST", f"{MODEL}:regress", '{"examples": []}', 400, None),
        ("GET", "/v1/models/half", None, 404, "Could not find any versions of model half"),
        ("GET", f"{MODEL}/versions/7", None, 404, "Could not find version 7 of model half_plus_three"),
        ("GET", "/v1/models/half/metadata", None, 404, "Servable not found for request: Latest(half)"),
        ("GET", "/v1/models", None, 400, "Missing model name in request."),
        ("GET", f"{MODEL}:predict", None, 400, f"Malformed request: GET {MODEL}:predict"),
        ("POST", MODEL, "{}", 400, f"Malformed request: POST {MODEL}"),
        ("POST", f"{MODEL}:PREDICT", "{}", 400, f"Malformed request: POST {MODEL}:PREDICT"),
        ("POST", f"{MODEL}:predict?x=1", "{}", 400, f"Malformed request: POST {MODEL}:predict?x=1"),
        ("DELETE", MODEL, None, 400, f"Malformed request: DELETE {MODEL}"),
        ("POST", "/v1/models/a%2Fb%00:predict", '{"instances": [1]}', 404, "Servable not found for request: Latest(a/b\0)"),
        ("GET", "/v2/models/half_plus_three", None, 404, "Not Found: /v2/models/half_plus_three"),
        ("GET", "/", None, 404, "Not Found: /"),
    ],
)  # fmt: skip
def test_what_is_refused(half: str, method: str, path: str, body: str | None, status: int, message: str | None) -> None:
    response = requests.request(method, half + path, data=body, timeout=TIMEOUT_S)
    assert (response.status_code, list(response.json())) == (status, ["error"])
    assert message in (None, response.json()["error"])


def test_photos_by_rows_and_by_columns(rest_address: str, photo: MakePhoto) -> None:
    photos = [{"b64": base64.b64encode(photo(colour, size=(40, 20))).decode()} for colour in ("red", "green")]
    rows = post(f"http://{rest_address}", "/v1/models/marque/versions/2:predict", json.dumps({"instances": photos})).json()
    assert [row["labels"][0] for row in rows["predictions"]] == ["red car", "green car"]
    assert [row["boxes"] for row in rows["predictions"]] == [[10.0, 5.0, 30.0, 15.0]] * 2
    columns = post(f"http://{rest_address}", "/v1/models/marque:predict", json.dumps({"inputs": {"jpeg": photos}})).json()[
        "outputs"
    ]
    assert columns == {name: [row[name] for row in rows["predictions"]] for name in ("labels", "scores", "boxes")}
    none = post(f"http://{rest_address}", "/v1/models/marque:predict", '{"inputs": []}').json()
    assert none == {"outputs": {"labels": [], "scores": [], "boxes": []}}


def test_one_model_answers_grpc_and_rest_alike(address: str, rest_address: str, photo: MakePhoto) -> None:
    from serving.client.client import Client

    with Client(address) as client:
        (by_grpc,) = client.predict([photo("teal")])
    body = json.dumps({"instances": [{"b64": base64.b64encode(photo("teal")).decode()}]})
    (by_rest,) = post(f"http://{rest_address}", "/v1/models/marque:predict", body).json()["predictions"]
    assert (by_rest["labels"], by_rest["boxes"]) == (by_grpc.labels, list(by_grpc.box))
    assert by_rest["scores"] == pytest.approx(by_grpc.scores, rel=1e-6)


@pytest.mark.parametrize(
    ("body", "headers", "status", "message"),
    [
        (b"x" * (MAX_MESSAGE_BYTES + 1), {}, 413, "the body is larger than max (100000 bytes)"),
        (gzip.compress(bytes(1 << 24)), {"Content-Encoding": "gzip"}, 413, "the body is larger than max (100000 bytes)"),
        (b"no gzip", {"Content-Encoding": "gzip"}, 400, "Failed to uncompress the gzipped body"),
        (gzip.compress(b"{}")[:-9], {"Content-Encoding": "gzip"}, 400, "Failed to uncompress the gzipped body"),
        (b"[" * 99_999, {}, 400, "JSON Parse error: The document is nested too deeply"),
    ],
)
def test_bodies_that_mean_harm(half: str, body: bytes, headers: dict[str, str], status: int, message: str) -> None:
    response = post(half, f"{MODEL}:predict", body, **headers)
    assert (response.status_code, response.json()) == (status, {"error": message})
    assert post(half, f"{MODEL}:predict", '{"instances": [1]}').json() == {"predictions": [3.5]}


def test_a_body_in_chunks_has_the_same_limit(half: str) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(200):
            yield b" " * 1000

    response = requests.post(half + f"{MODEL}:predict", data=chunks(), timeout=TIMEOUT_S)
    assert response.status_code == 413


def test_gzip(half: str) -> None:
    body = gzip.compress(b'{"instances": [1.0]}')
    assert post(half, f"{MODEL}:predict", body, **{"Content-Encoding": "gzip"}).json() == {"predictions": [3.5]}


def test_bodies_that_are_held_together_have_a_limit(half: str) -> None:
    """Slow clients that each send most of a large body; then there is no room, until they are gone."""
    host, port = half.removeprefix("http://").split(":")
    head = f"POST {MODEL}:predict HTTP/1.1\r\nHost: x\r\nContent-Length: {MAX_MESSAGE_BYTES}\r\n\r\n".encode()
    body = b'{"instances": [1]}' + b" " * 50_000
    with ExitStack() as slow:
        for _ in range(2):
            connection = slow.enter_context(socket.create_connection((host, int(port)), timeout=TIMEOUT_S))
            connection.sendall(head + b" " * (MAX_MESSAGE_BYTES - 10))
        wait_for(lambda: post(half, f"{MODEL}:predict", body).status_code, 429)
    wait_for(lambda: post(half, f"{MODEL}:predict", body).status_code, 200)


def wait_for(ask: Callable[[], object], expected: object) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while ask() != expected:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_requests_show_in_the_metrics(half: str) -> None:
    def counted(status: str) -> int:
        page = requests.get(f"{half}/monitoring/prometheus/metrics", timeout=TIMEOUT_S)
        assert page.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        start = f':tensorflow:serving:request_count{{model_name="half_plus_three",status="{status}"}} '
        return next((int(line.removeprefix(start)) for line in page.text.splitlines() if line.startswith(start)), 0)

    good, bad = counted("OK"), counted("INVALID_ARGUMENT")
    post(half, f"{MODEL}:predict", '{"instances": [1.0]}')
    post(half, f"{MODEL}:predict", '{"instances": ["a"]}')
    post(half, f"{MODEL}:predict", "no JSON")
    post(half, f"{MODEL}:classify", '{"examples": [{"x": 1.0}]}')
    assert (counted("OK"), counted("INVALID_ARGUMENT")) == (good + 1, bad + 3)
    page = requests.get(f"{half}/monitoring/prometheus/metrics", timeout=TIMEOUT_S).text
    assert ':tensorflow:serving:request_latency_count{model_name="half_plus_three",API="predict",entrypoint="REST"}' in page
    assert 'marque_model_version_available{model_name="half_plus_three",version="123"} 1\n' in page
    assert "\nprocess_resident_memory_bytes " in page


def test_no_answer_waits_for_an_acknowledgement(half: str) -> None:
    """Where the answer's head and body are two packets and the second waits, that takes 40 ms, however idle the machine."""
    with requests.Session() as session:
        ask = partial(session.post, f"{half}{MODEL}:predict", '{"instances": [1.0]}', timeout=TIMEOUT_S)
        seconds = [timeit.timeit(ask, number=1) for _ in range(80)]
    assert sorted(seconds)[20] < 0.03
