"""Where every call is answered, whichever way it came in: TF Serving's calls as coroutines over checked messages.

A call resolves one version and is answered by exactly that version, which stays loaded until then. A call that is refused raises
RequestError with TF Serving's code and message; whatever else goes wrong becomes INTERNAL. Observers hear of every finished call
for an inference.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import grpc
from google.protobuf.message import Message
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_pb2,
    predict_pb2,
    regression_pb2,
)

from serving.server import inference
from serving.server.batching import Batcher, BatchObserver
from serving.server.errors import RequestError, invalid
from serving.server.inference import Inference
from serving.server.manager import Manager
from serving.server.model_config import check_config
from serving.server.servable import Servable
from serving.server.tensors import size_bytes

logger = logging.getLogger(__name__)
SIGNATURE_FIELD = "signature_def"
OFF_LOOP_BYTES = 4 << 20
Request = TypeVar("Request", bound=Message)
T = TypeVar("T")


@dataclass(frozen=True)
class Call:
    """A finished call: how it came in (GRPC or REST), what answered and how; `version` and `response` are None where none did."""

    method: str
    entrypoint: str
    model: str
    version: int | None
    code: grpc.StatusCode
    seconds: float
    request: Message
    response: Message | None


class Observer(Protocol):
    """Is told of every finished inference call, however it ended."""

    def finished(self, call: Call) -> None:
        """Must be cheap and never raise."""


class Core:
    """The calls of TF Serving's services over the loaded models. Belongs to the event loop of its batcher."""

    def __init__(self, manager: Manager, batcher: Batcher):
        self.observers: list[Observer] = []
        self._manager = manager
        self._batcher = batcher

    @property
    def batch_observers(self) -> list[BatchObserver]:
        """Are told of every run of a model."""
        return self._batcher.observers

    def available(self) -> list[tuple[str, int]]:
        """The models and versions that answer just now."""
        return self._manager.registry.available()

    async def predict(self, request: predict_pb2.PredictRequest, *, entrypoint: str = "GRPC") -> predict_pb2.PredictResponse:
        """Named tensors in, named tensors out.

        Raises:
            RequestError: refused.
        """
        return await self._infer("Predict", entrypoint, request, _spec_of(request), inference.predict)

    async def classify(
        self, request: classification_pb2.ClassificationRequest, *, entrypoint: str = "GRPC"
    ) -> classification_pb2.ClassificationResponse:
        """Examples in, labels and scores out.

        Raises:
            RequestError: refused.
        """
        return await self._infer("Classify", entrypoint, request, _spec_of(request), inference.classify)

    async def regress(
        self, request: regression_pb2.RegressionRequest, *, entrypoint: str = "GRPC"
    ) -> regression_pb2.RegressionResponse:
        """Examples in, numbers out.

        Raises:
            RequestError: refused.
        """
        return await self._infer("Regress", entrypoint, request, _spec_of(request), inference.regress)

    async def multi_inference(
        self, request: inference_pb2.MultiInferenceRequest, *, entrypoint: str = "GRPC"
    ) -> inference_pb2.MultiInferenceResponse:
        """Examples in, several classifications and regressions of them out.

        Raises:
            RequestError: refused.
        """
        spec = request.tasks[0].model_spec if request.tasks else model_pb2.ModelSpec()
        return await self._infer("MultiInference", entrypoint, request, spec, inference.multi_inference)

    def metadata(self, request: get_model_metadata_pb2.GetModelMetadataRequest) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """The signatures of a version.

        Raises:
            RequestError: refused.
        """
        spec = _spec_of(request)
        if spec is None:
            raise invalid("Missing ModelSpec")
        if not request.metadata_field:
            raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
        for name in request.metadata_field:
            if name != SIGNATURE_FIELD:
                raise invalid(f"Metadata field {name} is not supported")
        with self._manager.registry.use(spec) as servable:
            response = get_model_metadata_pb2.GetModelMetadataResponse(model_spec=model_pb2.ModelSpec(name=servable.name))
            response.model_spec.version.value = servable.version
            signatures = get_model_metadata_pb2.SignatureDefMap(signature_def=servable.definitions)
        response.metadata[SIGNATURE_FIELD].Pack(signatures)
        return response

    def status(self, request: get_model_status_pb2.GetModelStatusRequest) -> get_model_status_pb2.GetModelStatusResponse:
        """The states of a model's versions.

        Raises:
            RequestError: refused.
        """
        spec = _spec_of(request)
        if spec is None:
            raise invalid("Missing ModelSpec")
        return get_model_status_pb2.GetModelStatusResponse(model_version_status=self._manager.registry.status(spec))

    async def reload(self, request: model_management_pb2.ReloadConfigRequest) -> model_management_pb2.ReloadConfigResponse:
        """Puts another config in the place of the present one; returns when its new versions are loaded and its labels are moved.

        Raises:
            RequestError: refused, and everything is as it was.
        """
        models = check_config(request.config)
        await asyncio.wrap_future(self._manager.reload(models))
        response = model_management_pb2.ReloadConfigResponse()
        response.status.SetInParent()
        return response

    async def _infer(
        self,
        method: str,
        entrypoint: str,
        request: Request,
        spec: model_pb2.ModelSpec | None,
        prepare: Callable[[Servable, Request], Inference],
    ) -> Message:
        started, version, code, response = time.perf_counter(), None, grpc.StatusCode.OK, None
        try:
            if spec is None:
                raise invalid("Missing ModelSpec")
            self._batcher.check_room()
            with self._manager.registry.use(spec) as servable:
                version = servable.version
                prepared = await _run(request.ByteSize(), lambda: prepare(servable, request))
                outputs = [await self._batcher.run(servable, run) for run in prepared.runs]
                size = sum(size_bytes(values) for output in outputs for values in output.values())
                response = await _run(size, lambda: prepared.response(outputs))
        except RequestError as error:
            code = error.code
            raise
        except asyncio.CancelledError:
            code = grpc.StatusCode.CANCELLED
            raise
        except Exception as error:
            code = grpc.StatusCode.INTERNAL
            logger.exception("%s failed", method)
            raise RequestError(code, f"the server failed: {type(error).__name__}") from None
        finally:
            if self.observers:
                model, seconds = spec.name if spec else "", time.perf_counter() - started
                call = Call(method, entrypoint, model, version, code, seconds, request, response)
                for observer in self.observers:
                    observer.finished(call)
        return response


async def _run(size_bytes: int, work: Callable[[], T]) -> T:
    """Runs what takes long beside the event loop, where others wait."""
    return await asyncio.to_thread(work) if size_bytes > OFF_LOOP_BYTES else work()


def _spec_of(request: Message) -> model_pb2.ModelSpec | None:
    return request.model_spec if request.HasField("model_spec") else None
