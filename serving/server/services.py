"""The gRPC faces of the core: TF Serving's PredictionService and ModelService. Nothing is decided here."""

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from serving.server.core import Core
from serving.server.errors import RequestError

Method = Callable[[Any, Any, grpc.aio.ServicerContext], Awaitable[Any]]


def _answered(name: str) -> Method:
    """A method that asks the core's coroutine of that name."""

    async def method(self: Any, request: Any, context: grpc.aio.ServicerContext) -> Any:
        try:
            return await getattr(self._core, name)(request)
        except RequestError as error:
            await context.abort(error.code, str(error))

    return method


def _answered_at_once(name: str) -> Method:
    """A method that asks the core's function of that name."""

    async def method(self: Any, request: Any, context: grpc.aio.ServicerContext) -> Any:
        try:
            return getattr(self._core, name)(request)
        except RequestError as error:
            await context.abort(error.code, str(error))

    return method


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predict, Classify, Regress, MultiInference and GetModelMetadata."""

    Predict = _answered("predict")
    Classify = _answered("classify")
    Regress = _answered("regress")
    MultiInference = _answered("multi_inference")
    GetModelMetadata = _answered_at_once("metadata")

    def __init__(self, core: Core):
        self._core = core


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """GetModelStatus and HandleReloadConfigRequest."""

    GetModelStatus = _answered_at_once("status")
    HandleReloadConfigRequest = _answered("reload")

    def __init__(self, core: Core):
        self._core = core
