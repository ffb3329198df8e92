"""The server as a process and a neighbour: health, TLS, the command, its files, and its end."""

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
import requests
import trustme
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat, load_pem_private_key
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from components.common.errors import UserError
from serving.__main__ import main
from serving.server import server as embedded
from serving.server.servable import Servable

SERVICES = ["", "tensorflow.serving.PredictionService", "tensorflow.serving.ModelService"]
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


def health(channel: grpc.Channel, service: str = "") -> int:
    return health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service), timeout=20).status


@pytest.fixture
def version(tmp_path: Path, publish: Callable[..., Path]) -> Path:
    return publish(tmp_path / "m", 1)


class Hold:
    """Holds every run of a model until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str):
        self.arrived, self.go_on = threading.Event(), threading.Event()
        held = getattr(Servable, name)

        def when_told(*arguments: Any) -> Any:
            self.arrived.set()
            assert self.go_on.wait(30)
            return held(*arguments)

        monkeypatch.setattr(Servable, name, when_told)


def test_health_of_every_service(version: Path, serve) -> None:
    asked = serve(version.parent.parent, "m")
    assert [health(asked.channel, service) for service in SERVICES] == [SERVING] * 3
    with pytest.raises(grpc.RpcError) as caught:
        health(asked.channel, "other")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.fixture
def starting(version: Path, serve, monkeypatch) -> Iterator[tuple[grpc.Channel, Hold, "Future[Any]"]]:
    """A server whose model does not load before it is let go: a channel to it, what holds it, and the server to come."""
    hold, ports, bind = Hold(monkeypatch, "__init__"), [], embedded._bind
    monkeypatch.setattr(embedded, "_bind", lambda *arguments: ports.append(bind(*arguments)) or ports[0])
    with ThreadPoolExecutor(1) as pool:
        server = pool.submit(serve, version.parent.parent, "m")
        assert hold.arrived.wait(20)
        with grpc.insecure_channel(f"localhost:{ports[0]}") as channel:
            yield channel, hold, server
        hold.go_on.set()


def test_until_the_models_are_loaded_nothing_is_promised(starting) -> None:
    channel, hold, server = starting
    assert [health(channel, service) for service in SERVICES] == [NOT_SERVING] * 3
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "m"
    with pytest.raises(grpc.RpcError) as caught:
        prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=20)
    assert (caught.value.code(), caught.value.details()) == (
        grpc.StatusCode.UNAVAILABLE,
        "the server is still loading its models",
    )
    hold.go_on.set()
    asked = server.result()
    assert health(channel) == SERVING
    assert asked.version() == 1


def test_a_stop_says_so_first_and_answers_what_is_under_way(version: Path, serve, monkeypatch, wait_for) -> None:
    asked = serve(version.parent.parent, "m")
    hold, states = Hold(monkeypatch, "run"), []
    watched = health_pb2_grpc.HealthStub(asked.channel).Watch(health_pb2.HealthCheckRequest(), timeout=60)

    def watch() -> None:
        for response in watched:
            states.append(response.status)

    def is_refused() -> bool:
        with grpc.insecure_channel(asked.address) as channel:
            try:
                health(channel)
            except grpc.RpcError as error:
                return error.code() is grpc.StatusCode.UNAVAILABLE
        return False

    with ThreadPoolExecutor(2) as pool:
        watching = pool.submit(watch)
        wait_for(lambda: states == [SERVING])
        under_way = asked.prediction.Predict.future(asked.request(), timeout=30)
        assert hold.arrived.wait(20)
        stopping = pool.submit(asked.server.stop, 20)
        wait_for(lambda: states == [SERVING, NOT_SERVING])
        wait_for(is_refused)
        assert not under_way.done()
        hold.go_on.set()
        assert under_way.result().outputs["y"].float_val == [1.0]
        watched.cancel()
        stopping.result()
        assert watching.exception().code() is grpc.StatusCode.CANCELLED


def test_a_grace_that_is_over_ends_what_is_under_way(version: Path, serve, monkeypatch) -> None:
    asked = serve(version.parent.parent, "m")
    hold = Hold(monkeypatch, "run")
    under_way = asked.prediction.Predict.future(asked.request(), timeout=30)
    assert hold.arrived.wait(20)
    asked.server.stop(0.1)
    with pytest.raises(grpc.RpcError) as caught:
        under_way.result()
    assert caught.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
    hold.go_on.set()


@pytest.mark.slow
def test_sigterm_ends_the_process_cleanly(version: Path, start_process, tmp_path: Path) -> None:
    config = tmp_path / "models.config"
    model = f'name: "m" base_path: "{version.parent}" model_platform: "tensorflow"'
    config.write_text(f'model_config_list {{ config {{ {model} version_labels {{ key: "stable" value: 1 }} }} }}')
    rest_port = tmp_path / "rest-port"
    options = ("--config", str(config), "--rest-port", "0", "--rest-port-file", str(rest_port))
    process, address = start_process(None, tmp_path / "port", *options)
    url = f"http://localhost:{rest_port.read_text().strip()}/v1/models/m"
    assert requests.get(url, timeout=20).json()["model_version_status"][0]["state"] == "AVAILABLE"
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    assert output == f"serving m version 1 on {address}, REST on port {rest_port.read_text().strip()}\n"


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An authority, and a certificate and key each of a server and of a client."""
    folder = tmp_path_factory.mktemp("pem")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca"))
    for name in ("localhost", "client.example"):
        issued = authority.issue_cert(name)
        issued.private_key_pem.write_to_path(str(folder / f"{name}.key"))
        issued.cert_chain_pems[0].write_to_path(str(folder / f"{name}.cert"))
    return {path.name: path for path in folder.iterdir()}


def ask_securely(asked: Any, pem: dict[str, Path], *, client: bool) -> int:
    pair = (pem["client.example.key"].read_bytes(), pem["client.example.cert"].read_bytes()) if client else (None, None)
    credentials = grpc.ssl_channel_credentials(pem["ca"].read_bytes(), *pair)
    with grpc.secure_channel(asked.address, credentials) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        return stub.Predict(asked.request(), timeout=20).model_spec.version.value


def test_tls(version: Path, serve, pem: dict[str, Path]) -> None:
    files = {"tls_cert": str(pem["localhost.cert"]), "tls_key": str(pem["localhost.key"])}
    asked = serve(version.parent.parent, "m", **files, rest_port=0)
    assert ask_securely(asked, pem, client=False) == 1
    with pytest.raises(grpc.RpcError):
        asked.version()
    url = f"https://localhost:{asked.server.rest_port}/v1/models/m"
    assert requests.get(url, verify=str(pem["ca"]), timeout=20).status_code == 200


def test_mutual_tls(version: Path, serve, pem: dict[str, Path]) -> None:
    files = {"tls_cert": str(pem["localhost.cert"]), "tls_key": str(pem["localhost.key"]), "tls_client_ca": str(pem["ca"])}
    asked = serve(version.parent.parent, "m", **files, rest_port=0)
    assert ask_securely(asked, pem, client=True) == 1
    with pytest.raises(grpc.RpcError) as caught:
        ask_securely(asked, pem, client=False)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    url = f"https://localhost:{asked.server.rest_port}/v1/models/m"
    pair = (str(pem["client.example.cert"]), str(pem["client.example.key"]))
    assert requests.get(url, verify=str(pem["ca"]), cert=pair, timeout=20).status_code == 200
    with pytest.raises(requests.exceptions.RequestException):
        requests.get(url, verify=str(pem["ca"]), timeout=20)


@pytest.mark.parametrize(
    ("cert", "key", "message"),
    [
        ("localhost.cert", "", "expected --tls-cert and --tls-key together"),
        ("localhost.cert", "client.example.key", "expected PEM files of a certificate, its key"),
        ("none", "localhost.key", "expected PEM files of a certificate, its key"),
    ],
)
def test_bad_certificates(version: Path, pem: dict[str, Path], cert: str, key: str, message: str) -> None:
    files = {"tls_cert": str(pem.get(cert, "/none")), "tls_key": str(pem[key]) if key else ""}
    with pytest.raises(UserError, match=message):
        embedded.start(version.parent.parent, "m", host="localhost", port=0, **files)


def test_an_encrypted_key_is_refused_without_a_question(version: Path, pem: dict[str, Path], tmp_path: Path) -> None:
    key = load_pem_private_key(pem["localhost.key"].read_bytes(), None)
    encrypted = tmp_path / "encrypted.key"
    encrypted.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))
    files = {"tls_cert": str(pem["localhost.cert"]), "tls_key": str(encrypted)}
    with pytest.raises(UserError, match=r"encrypted\.key: expected a key without a pass phrase"):
        embedded.start(version.parent.parent, "m", host="localhost", port=0, **files)


def test_bytes_that_are_no_message_are_the_clients_mistake(version: Path, serve) -> None:
    asked = serve(version.parent.parent, "m")
    for method in ("PredictionService/Predict", "ModelService/GetModelStatus"):
        with pytest.raises(grpc.RpcError) as caught:
            asked.channel.unary_unary(f"/tensorflow.serving.{method}")(b"no message", timeout=20)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert f"expected a tensorflow.serving.{method.partition('/')[2]}Request" in caught.value.details()


@pytest.mark.parametrize("held", ["127.0.0.1", "::1"])
def test_every_address_of_the_host_must_be_free(version: Path, held: str) -> None:
    addresses = {info[4][0] for info in socket.getaddrinfo("localhost", None)}
    family = socket.AF_INET6 if ":" in held else socket.AF_INET
    if held not in addresses or (family == socket.AF_INET6 and not socket.has_dualstack_ipv6()):
        pytest.skip(f"localhost is not {held} here")
    with socket.create_server((held, 0), family=family) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"^localhost:{port}: the port cannot be opened; is it taken"):
            embedded.start(version.parent.parent, "m", host="localhost", port=port)


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1", "a" * 70])
def test_a_host_that_is_not_this_machine_is_to_blame(version: Path, host: str) -> None:
    with pytest.raises(UserError, match=f"^--host: expected .* of this machine, received '{host}'"):
        embedded.start(version.parent.parent, "m", host=host, port=0)


def test_messages_have_a_limit_both_ways(version: Path, serve) -> None:
    asked = serve(version.parent.parent, "m", max_message_bytes=10_000)
    for count, whose in ((3000, "Received message larger than max"), (2200, "Sent message larger than max")):
        with pytest.raises(grpc.RpcError) as caught:
            asked.numbers(*[1.0] * count)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert whose in caught.value.details()
    assert asked.numbers(1.0) == [1.0]


def test_mistakes_of_the_command_are_one_line(version: Path, tmp_path: Path, serve) -> None:
    taken = serve(version.parent.parent, "m", rest_port=0).server

    def one_line(*arguments: object) -> str:
        ended = CliRunner().invoke(main, ["serve", *map(str, arguments)])
        assert (ended.exit_code, ended.stdout) == (1, "")
        (line,) = ended.stderr.splitlines()
        return line

    served = ("--repository", version.parent.parent, "--model", "m", "--port", 0)
    assert "expected --repository or --config" in one_line()
    assert "expected --repository or --config" in one_line(*served, "--config", tmp_path / "models.config")
    assert "cannot read it" in one_line("--config", tmp_path / "models.config")
    assert "REST's port cannot be opened" in one_line(*served, "--rest-port", taken.rest_port)
    assert "expected rising numbers" in one_line(*served, "--rest-port", -1, "--allowed-batch-sizes", "3")
    (version / "saved_model.pb").write_bytes(b"no model")
    assert "1: expected a SavedModel that loads" in one_line(*served, "--rest-port", -1)
