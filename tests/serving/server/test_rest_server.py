"""REST beside gRPC: its port, TLS, overload, the end of the server, and the request log of both."""

import base64
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest
import requests
import tensorflow as tf
import trustme
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from components.common.errors import UserError
from serving.client.client import Client
from serving.server import server as embedded

MakePhoto = Callable[..., bytes]
Start = Callable[..., embedded.Server]
TIMEOUT_S = 60
WAIT_MS = 1000.0
PREDICT = "/v1/models/marque:predict"


@pytest.fixture
def start(repository: Path) -> Iterator[Start]:
    """Starts servers; those that a test does not stop are stopped after it."""
    started: list[embedded.Server] = []

    def begin(**settings: object) -> embedded.Server:
        server = embedded.start(repository, "marque", **{"host": "localhost", "port": 0, "rest_port": 0, **settings})
        started.append(server)
        return server

    yield begin
    for server in started:
        if server._thread.is_alive():
            server.stop(0)


def body_of(photo: bytes) -> str:
    return json.dumps({"instances": [{"b64": base64.b64encode(photo).decode()}]})


def predict(server: embedded.Server, photo: bytes, scheme: str = "http", **options: object) -> requests.Response:
    address = f"{scheme}://localhost:{server.rest_port}{PREDICT}"
    return requests.post(address, body_of(photo), timeout=TIMEOUT_S, **options)


def wait_until_full(server: embedded.Server, photo: bytes) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while predict(server, photo).status_code != 429:
        assert time.monotonic() < deadline


def test_a_taken_port(start: Start) -> None:
    taken = start().rest_port
    with pytest.raises(UserError, match=f"localhost:{taken}: REST's port cannot be opened.*choose another with --rest-port"):
        start(rest_port=taken)


@pytest.mark.slow
def test_overload_is_answered_and_passes(start: Start, photo: MakePhoto) -> None:
    server = start(queue=1, batch_timeout_ms=WAIT_MS)
    with ThreadPoolExecutor(6) as pool:
        responses = list(pool.map(lambda _: predict(server, photo("red")), range(6)))
    statuses = Counter(response.status_code for response in responses)
    assert set(statuses) == {200, 429}
    (message,) = {response.json()["error"] for response in responses if response.status_code == 429}
    assert message == "The batch scheduling queue to which this task was submitted is full"
    assert predict(server, photo("red")).status_code == 200


def test_a_stop_lets_the_request_under_way_finish(start: Start, photo: MakePhoto) -> None:
    server = start(queue=1, batch_timeout_ms=WAIT_MS)
    with closing(HTTPConnection("localhost", server.rest_port, timeout=TIMEOUT_S)) as under_way:
        under_way.request("POST", PREDICT, body_of(photo("blue")))
        wait_until_full(server, photo("blue"))
        server.stop(TIMEOUT_S)
        answer = json.loads(under_way.getresponse().read())
    assert answer["predictions"][0]["labels"][0] == "blue car"
    with pytest.raises(requests.ConnectionError):
        predict(server, photo("blue"))


def test_tls(start: Start, photo: MakePhoto, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    for name in ("localhost", "client"):
        certificate = authority.issue_cert(name)
        certificate.private_key_pem.write_to_path(str(tmp_path / f"{name}.key"))
        certificate.cert_chain_pems[0].write_to_path(str(tmp_path / f"{name}.pem"))
    served = {"tls_cert": str(tmp_path / "localhost.pem"), "tls_key": str(tmp_path / "localhost.key")}
    trusted = {"scheme": "https", "verify": str(tmp_path / "ca.pem")}
    server = start(**served)
    assert predict(server, photo("red"), **trusted).status_code == 200
    with pytest.raises(requests.ConnectionError):
        predict(server, photo("red"))
    strict = start(**served, tls_client_ca=str(tmp_path / "ca.pem"))
    with pytest.raises(requests.ConnectionError):
        predict(strict, photo("red"), **trusted)
    shown = (str(tmp_path / "client.pem"), str(tmp_path / "client.key"))
    assert predict(strict, photo("red"), **trusted, cert=shown).status_code == 200


def test_calls_of_both_ports_are_logged(start: Start, photo: MakePhoto, tmp_path: Path) -> None:
    server = start(log_requests=str(tmp_path), log_share=1.0)
    with Client(f"localhost:{server.port}") as client:
        client.predict([photo("red"), photo("green")])
    assert predict(server, photo("blue")).status_code == 200
    assert predict(server, b"no photo").status_code == 400
    page = requests.get(f"http://localhost:{server.rest_port}/monitoring/prometheus/metrics", timeout=TIMEOUT_S).text
    server.stop()
    files = [str(path) for path in (tmp_path / "marque").iterdir()]
    logs = [PredictionLog.FromString(record) for record in tf.data.TFRecordDataset(files).as_numpy_iterator()]
    photos = [tf.make_ndarray(log.predict_log.request.inputs["jpeg"]).tolist() for log in logs]
    assert photos == [[photo("red"), photo("green")], [photo("blue")]]
    labels = [tf.make_ndarray(log.predict_log.response.outputs["labels"])[:, 0].tolist() for log in logs]
    assert labels == [[b"red car", b"green car"], [b"blue car"]]
    assert ':tensorflow:serving:request_count{model_name="marque",status="OK"} 2' in page
