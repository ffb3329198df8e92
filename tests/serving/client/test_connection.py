"""How the clients reach a server: what they try again and what never, TLS both ways, tokens that no error tells."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
import trustme
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from components.common.errors import UserError
from serving.client.aio import AsyncClient
from serving.client.client import Client, Tls
from serving.client.messages.tf_serving_pb2 import ModelServerConfig

MakePhoto = Callable[..., bytes]
Code = grpc.StatusCode
Context = grpc.ServicerContext


class Flaky(prediction_service_pb2_grpc.PredictionServiceServicer, model_service_pb2_grpc.ModelServiceServicer):
    """Fails with `codes`, one a call, then answers; `seen` are the tokens of all calls."""

    def __init__(self, codes: Sequence[grpc.StatusCode]):
        self.codes = list(codes)
        self.seen: list[str | None] = []
        self.token = ""
        self.details = "not now"

    def _fail_first(self, context: Context) -> None:
        header = dict(context.invocation_metadata()).get("authorization")
        self.seen.append(header)
        if self.token and header != f"Bearer {self.token}":
            context.abort(Code.UNAUTHENTICATED, f"{header} is not the token")
        if self.codes:
            context.abort(self.codes.pop(0), self.details)

    def Predict(self, request: predict_pb2.PredictRequest, context: Context) -> predict_pb2.PredictResponse:  # noqa: N802
        self._fail_first(context)
        n = len(request.inputs["jpeg"].string_val)
        outputs = {"labels": np.full((n, 1), b"car", object), "scores": np.ones((n, 1), np.float32)}
        outputs["boxes"] = np.ones((n, 4), np.float32)
        return predict_pb2.PredictResponse(outputs={name: tf.make_tensor_proto(array) for name, array in outputs.items()})

    def GetModelStatus(self, request: Any, context: Context) -> get_model_status_pb2.GetModelStatusResponse:  # noqa: N802
        self._fail_first(context)
        return get_model_status_pb2.GetModelStatusResponse()

    def HandleReloadConfigRequest(self, request: Any, context: Context) -> model_management_pb2.ReloadConfigResponse:  # noqa: N802
        self._fail_first(context)
        response = model_management_pb2.ReloadConfigResponse()
        if not request.config.model_config_list.config:
            response.status.error_code, response.status.error_message = 3, "no models"
        return response


@contextmanager
def serving(servicer: Flaky, credentials: grpc.ServerCredentials | None = None) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", -1)])
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(servicer, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(servicer, server)
    port = server.add_secure_port("localhost:0", credentials) if credentials else server.add_insecure_port("localhost:0")
    server.start()
    try:
        yield f"localhost:{port}"
    finally:
        server.stop(0).wait()


@pytest.mark.parametrize("code", [Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED])
def test_what_may_pass_is_tried_again(code: grpc.StatusCode, photo: MakePhoto) -> None:
    servicer = Flaky([code, code, code])
    with serving(servicer) as address, Client(address) as client:
        assert client.predict([photo("red")])[0].labels == ["car"]
        assert len(servicer.seen) == 4
        servicer.codes = [code]
        assert client.status() == []


def test_the_asyncio_client_tries_again_too(photo: MakePhoto) -> None:
    async def ask(address: str) -> str:
        async with AsyncClient(address) as client:
            return (await client.predict([photo("red")]))[0].labels[0]

    servicer = Flaky([Code.UNAVAILABLE] * 2)
    with serving(servicer) as address:
        assert asyncio.run(ask(address)) == "car"
    assert len(servicer.seen) == 3


def test_a_large_request_is_tried_again(photo: MakePhoto) -> None:
    """gRPC forgets a request above 256 kB unless it is told to keep it."""
    photos = [np.random.default_rng(number).integers(0, 256, (600, 600, 3), np.uint8) for number in range(6)]
    servicer = Flaky([Code.UNAVAILABLE])
    with serving(servicer) as address, Client(address) as client:
        assert len(client.predict(photos)) == 6
    assert len(servicer.seen) == 2


def test_it_gives_up_in_one_line(photo: MakePhoto) -> None:
    servicer = Flaky([Code.RESOURCE_EXHAUSTED] * 9)
    with serving(servicer) as address, Client(address) as client:
        with pytest.raises(UserError, match=r"the server has more to do than it can \(not now\)"):
            client.predict([photo("red")])
        assert len(servicer.seen) == 5


def test_a_full_queue_of_tf_serving_is_no_missing_server(photo: MakePhoto) -> None:
    servicer = Flaky([Code.UNAVAILABLE])
    servicer.details = "The batch scheduling queue to which this task was submitted is full"
    full = r"the server has more to do than it can \(The batch scheduling queue"
    with serving(servicer) as address, Client(address, retries=0) as client, pytest.raises(UserError, match=full):
        client.predict([photo("red")])


@pytest.mark.parametrize("code", [Code.INVALID_ARGUMENT, Code.NOT_FOUND, Code.INTERNAL, Code.DEADLINE_EXCEEDED, Code.ABORTED])
def test_what_stays_wrong_is_not_tried_again(code: grpc.StatusCode, photo: MakePhoto) -> None:
    servicer = Flaky([code] * 2)
    with serving(servicer) as address, Client(address) as client:
        with pytest.raises(UserError):
            client.predict([photo("red")])
        assert len(servicer.seen) == 1


def test_no_retries_when_none_are_wanted(photo: MakePhoto) -> None:
    servicer = Flaky([Code.UNAVAILABLE] * 2)
    with serving(servicer) as address, Client(address, retries=0) as client, pytest.raises(UserError):
        client.predict([photo("red")])
    assert len(servicer.seen) == 1
    with pytest.raises(UserError, match="retries: expected 0-4, received 5"):
        Client("localhost:1", retries=5)


def test_retries_stay_within_the_deadline(photo: MakePhoto) -> None:
    servicer = Flaky([Code.UNAVAILABLE] * 9)
    with serving(servicer) as address, Client(address, deadline_s=0.2) as client:
        with pytest.raises(UserError, match=r"no answer within 0\.2 s|no server answers"):
            client.predict([photo("red")])
        assert len(servicer.seen) < 5


def test_a_reload_is_sent_once() -> None:
    servicer = Flaky([Code.UNAVAILABLE])
    config = ModelServerConfig()
    config.model_config_list.config.add(name="marque")
    with serving(servicer) as address, Client(address) as client:
        with pytest.raises(UserError, match="no server answers there"):
            client.reload(config)
        assert len(servicer.seen) == 1
        client.reload(config)
        servicer.codes = [Code.FAILED_PRECONDITION]
        with pytest.raises(UserError, match="the server refused the config: not now"):
            client.reload(config)
        with pytest.raises(UserError, match="the server refused the config: no models"):
            client.reload(ModelServerConfig())


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def pem(ca: trustme.CA, tmp_path: Path) -> Tls:
    """The authority's certificate, and a certificate and key of a client's, as files."""
    mine = ca.issue_cert("client.local")
    paths = [tmp_path / name for name in ("ca.pem", "cert.pem", "key.pem")]
    for path, blob in zip(paths, (ca.cert_pem, mine.cert_chain_pems[0], mine.private_key_pem), strict=True):
        blob.write_to_path(str(path))
    return Tls(*paths)


@pytest.fixture
def over_tls(ca: trustme.CA) -> Callable[..., AbstractContextManager[str]]:
    """Serves over TLS; `clients=True` lets only clients with a certificate in."""
    theirs = ca.issue_cert("localhost")

    def serve(servicer: Flaky, clients: bool = False) -> AbstractContextManager[str]:
        pair = (theirs.private_key_pem.bytes(), b"".join(blob.bytes() for blob in theirs.cert_chain_pems))
        return serving(servicer, grpc.ssl_server_credentials([pair], ca.cert_pem.bytes() if clients else None, clients))

    return serve


Serve = Callable[..., AbstractContextManager[str]]


def test_tls_knows_the_server_by_its_authority(over_tls: Serve, pem: Tls, photo: MakePhoto) -> None:
    with over_tls(Flaky([])) as address:
        with Client(address, tls=Tls(ca=pem.ca)) as client:
            assert client.predict([photo("red")])[0].labels == ["car"]
        with (
            Client(address, tls=Tls(), retries=0) as client,
            pytest.raises(UserError, match="the TLS connection fails: .*tls-ca"),
        ):
            client.predict([photo("red")])
        with Client(address, retries=0) as client, pytest.raises(UserError, match="no server answers there"):
            client.predict([photo("red")])


def test_a_client_shows_its_certificate(over_tls: Serve, pem: Tls, photo: MakePhoto) -> None:
    async def ask(address: str) -> str:
        async with AsyncClient(address, tls=pem) as client:
            return (await client.predict([photo("red")]))[0].labels[0]

    with over_tls(Flaky([]), clients=True) as address:
        with Client(address, tls=pem) as client:
            assert client.predict([photo("red")])[0].labels == ["car"]
        assert asyncio.run(ask(address)) == "car"
        with Client(address, tls=Tls(ca=pem.ca), retries=0) as client, pytest.raises(UserError):
            client.predict([photo("red")])


def test_certificates_that_cannot_be_used(tmp_path: Path, pem: Tls) -> None:
    with pytest.raises(UserError, match="none.pem: expected a PEM file, cannot read it: No such file"):
        Client("localhost:1", tls=Tls(ca=tmp_path / "none.pem"))
    with pytest.raises(UserError, match="expected the client's certificate and its key together"):
        Client("localhost:1", tls=Tls(ca=pem.ca, cert=pem.cert))
    junk = tmp_path / "junk.pem"
    for content in (b"", b"no certificate", b"\xff\0", b"-----BEGIN CERTIFICATE-----\nbm90\n-----END CERTIFICATE-----\n"):
        junk.write_bytes(content)
        with pytest.raises(UserError, match=r"junk\.pem: expected certificates in PEM format"):
            Client("localhost:1", tls=Tls(ca=junk))
        with pytest.raises(UserError, match=r"junk\.pem: expected certificates in PEM format"):
            Client("localhost:1", tls=Tls(cert=junk, key=pem.key))
        with pytest.raises(UserError, match=r"junk\.pem: expected a private key in PEM format"):
            Client("localhost:1", tls=Tls(cert=pem.cert, key=junk))


def test_a_token_goes_along_and_no_error_tells_it(over_tls: Serve, pem: Tls, photo: MakePhoto) -> None:
    servicer = Flaky([Code.UNAVAILABLE])
    servicer.token = "right-token"
    with over_tls(servicer) as address:
        with Client(address, tls=Tls(ca=pem.ca), token="right-token") as client:
            client.predict([photo("red")])
        assert servicer.seen == ["Bearer right-token"] * 2
        with Client(address, tls=Tls(ca=pem.ca), token="wrong-token") as client:
            assert "wrong" not in repr(client)
            with pytest.raises(UserError, match=r"a token that the server accepts \(Bearer \.\.\. is not") as caught:
                client.predict([photo("red")])
        with Client(address, tls=Tls(ca=pem.ca)) as client, pytest.raises(UserError, match="accepts .*--token-file"):
            client.status()
    assert "wrong-token" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_token_in_clear_stays_on_this_machine(photo: MakePhoto) -> None:
    servicer = Flaky([])
    with serving(servicer) as address, Client(address, token="t") as client:
        client.predict([photo("red")])
    assert servicer.seen == ["Bearer t"]
    for here in ("127.0.0.1:1", "[::1]:1"):
        Client(here, token="t").close()
    for elsewhere in ("example.org:8500", "10.0.0.1:8500", "localhost.example.org:8500", "[::2]:8500"):
        with pytest.raises(UserError, match="a token is not sent in clear to another machine"):
            Client(elsewhere, token="t")
    for token in ("two words", "line\nbreak", "schlüssel"):
        with pytest.raises(UserError, match="expected a token of printable ASCII") as caught:
            Client("localhost:1", token=token)
        assert token not in str(caught.value)
