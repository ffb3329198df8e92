"""TF Serving's REST API over the core: predict, classify, regress, status, metadata, and the page for Prometheus.

Paths, their errors and the HTTP codes follow TF Serving's `model_servers/http_rest_api_handler.cc`, `http_rest_api_util.cc` and
`http_server.cc`. What TF Serving does not bound is bounded here: the size of bodies, how many are held, how long one takes.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import unquote

import grpc
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from tensorflow.core.protobuf.meta_graph_pb2 import TensorInfo
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest, SignatureDefMap
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest
from tensorflow_serving.apis.input_pb2 import Input
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.regression_pb2 import RegressionRequest

from serving.server import metrics as prometheus
from serving.server import rest_answers
from serving.server.core import Core
from serving.server.errors import RequestError, invalid
from serving.server.metrics import Metrics
from serving.server.rest_body import Bodies, BodyError
from serving.server.rest_examples import read_examples
from serving.server.rest_json import parse, signature_name
from serving.server.rest_tensors import read_tensors
from serving.server.servable import DEFAULT_SIGNATURE

MAX_BODY_BYTES = 64 << 20
HELD_BODIES = 2
OFF_LOOP_BYTES = 256 << 10
MAX_VERSION_DIGITS = 19
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
API = re.compile(r"/v1/.*", re.IGNORECASE | re.ASCII)
VERSION = r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
CALL = re.compile(rf"/v1/models/(?P<model>[^/:]+){VERSION}:(?P<method>classify|regress|predict)", re.IGNORECASE | re.ASCII)
ABOUT = re.compile(rf"/v1/models(?:/(?P<model>[^/:]+))?{VERSION}(?:/(?P<about>metadata))?", re.IGNORECASE | re.ASCII)
HTTP_STATUS = {
    grpc.StatusCode.OK: 200,
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.UNKNOWN: 500,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DATA_LOSS: 500,
    grpc.StatusCode.UNAUTHENTICATED: 401,
}
T = TypeVar("T")
logger = logging.getLogger(__name__)


def application(core: Core, metrics: Metrics, max_body_bytes: int = MAX_BODY_BYTES) -> Starlette:
    """The REST API of `core`, to be run in the core's event loop; larger bodies are answered with 413."""
    api = _Api(core, metrics, max_body_bytes)
    return Starlette(
        routes=[Route(prometheus.PATH, api.page), Route("/{path:path}", api.answer, methods=METHODS)],
        exception_handlers={HTTPException: _refused, Exception: _failed},
    )


class _Api:
    def __init__(self, core: Core, metrics: Metrics, max_body_bytes: int):
        self._core, self._metrics = core, metrics
        self._bodies = Bodies(max_body_bytes, HELD_BODIES * max_body_bytes)

    async def page(self, _request: Request) -> Response:
        return Response(self._metrics.text(self._core.available()), media_type="text/plain; version=0.0.4")

    async def answer(self, request: Request) -> Response:
        path = request.scope["raw_path"].decode("latin-1")
        if not API.fullmatch(path):
            return _error(404, f"Not Found: {path}")
        if request.url.query:
            # As in TF Serving, where a query is part of the path.
            path += f"?{request.url.query}"
        try:
            if request.method == "POST" and (match := CALL.fullmatch(path)):
                return _json(await self._call(request, match))
            if request.method == "GET" and (match := ABOUT.fullmatch(path)):
                return _json(self._about(match))
            raise invalid(f"Malformed request: {request.method} {path}")
        except RequestError as error:
            return _error(HTTP_STATUS[error.code], str(error))
        except BodyError as error:
            return _error(error.status, str(error))
        except ClientDisconnect:
            return _error(HTTP_STATUS[grpc.StatusCode.CANCELLED], "the client went away")

    async def _call(self, request: Request, match: re.Match[str]) -> str:
        calls = {"predict": self._predict, "classify": self._classify, "regress": self._regress}
        if match["method"] not in calls:
            # In another case the name is part of a path, but of no method.
            raise invalid(f"Malformed request: POST {match[0]}")
        async with self._bodies.read(request) as body:
            return await calls[match["method"]](_spec(match), body)

    async def _predict(self, spec: ModelSpec, body: bytes) -> str:
        with self._counting(spec):
            document = await _run(len(body), lambda: parse(body))
            spec.signature_name = signature_name(document)
            inputs = self._inputs(spec)
            tensors, by_rows = await _run(len(body), lambda: read_tensors(document, inputs))
        call = PredictRequest(model_spec=spec, inputs=tensors)
        outputs = (await self._core.predict(call, entrypoint="REST")).outputs
        size = sum(tensor.ByteSize() for tensor in outputs.values())
        return await _run(size, lambda: rest_answers.predictions(outputs, by_rows))

    async def _classify(self, spec: ModelSpec, body: bytes) -> str:
        call = ClassificationRequest(model_spec=spec, input=await self._examples(spec, body))
        return rest_answers.classifications((await self._core.classify(call, entrypoint="REST")).result)

    async def _regress(self, spec: ModelSpec, body: bytes) -> str:
        call = RegressionRequest(model_spec=spec, input=await self._examples(spec, body))
        return rest_answers.regressions((await self._core.regress(call, entrypoint="REST")).result)

    async def _examples(self, spec: ModelSpec, body: bytes) -> Input:
        with self._counting(spec):
            document = await _run(len(body), lambda: parse(body))
            spec.signature_name = signature_name(document)
            return await _run(len(body), lambda: read_examples(document))

    @contextmanager
    def _counting(self, spec: ModelSpec) -> Iterator[None]:
        """What is refused before it is a call of the core counts like one."""
        try:
            yield
        except RequestError as error:
            self._metrics.refused(spec.name, error.code)
            raise

    def _inputs(self, spec: ModelSpec) -> dict[str, TensorInfo]:
        response = self._core.metadata(_metadata_request(spec))
        signatures = SignatureDefMap()
        response.metadata["signature_def"].Unpack(signatures)
        name = spec.signature_name or DEFAULT_SIGNATURE
        if name not in signatures.signature_def:
            raise invalid(f'Serving signature name: "{name}" not found in signature def')
        return dict(signatures.signature_def[name].inputs)

    def _about(self, match: re.Match[str]) -> str:
        if not match["model"]:
            raise invalid("Missing model name in request.")
        spec = _spec(match)
        if match["about"] == "metadata":
            return rest_answers.metadata(self._core.metadata(_metadata_request(spec)))
        return rest_answers.status(self._core.status(GetModelStatusRequest(model_spec=spec)))


def _spec(match: re.Match[str]) -> ModelSpec:
    spec = ModelSpec(name=unquote(match["model"], errors="replace"))
    if match["version"]:
        digits = match["version"].lstrip("0") or "0"
        if len(digits) > MAX_VERSION_DIGITS or int(digits) >= 1 << 63:
            raise invalid(f"Failed to convert version: {match['version']} to numeric.")
        spec.version.value = int(digits)
    if match["label"]:
        spec.version_label = unquote(match["label"], errors="replace")
    return spec


def _metadata_request(spec: ModelSpec) -> GetModelMetadataRequest:
    return GetModelMetadataRequest(model_spec=spec, metadata_field=["signature_def"])


async def _run(size_bytes: int, work: Callable[[], T]) -> T:
    """Runs what takes long beside the event loop."""
    return await asyncio.to_thread(work) if size_bytes > OFF_LOOP_BYTES else work()


def _json(text: str) -> Response:
    return Response(text, media_type="application/json")


def _error(status: int, message: str) -> Response:
    return Response(rest_answers.error(message), status, media_type="application/json")


async def _refused(_request: Request, error: Any) -> Response:
    return _error(error.status_code, error.detail)


async def _failed(request: Request, error: Exception) -> Response:
    logger.error("%s %r failed", request.method, request.scope["path"], exc_info=error)
    return _error(500, "internal error")
