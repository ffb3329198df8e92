"""The gRPC faces of the core: TF Serving's PredictionService and ModelService. Nothing is decided here."""

import inspect
from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from tensorflow_serving.apis import model_service_pb2, prediction_service_pb2

from serving.server.core import Core
from serving.server.errors import RequestError


def handlers(core: Core) -> list[grpc.GenericRpcHandler]:
    """What answers the methods of both services."""
    prediction = {
        "Predict": core.predict,
        "Classify": core.classify,
        "Regress": core.regress,
        "MultiInference": core.multi_inference,
        "GetModelMetadata": core.metadata,
    }
    models = {"GetModelStatus": core.status, "HandleReloadConfigRequest": core.reload}
    services = (
        (prediction_service_pb2.DESCRIPTOR.services_by_name["PredictionService"], prediction),
        (model_service_pb2.DESCRIPTOR.services_by_name["ModelService"], models),
    )
    return [
        grpc.method_handlers_generic_handler(
            service.full_name, {name: _handler(service.methods_by_name[name], call) for name, call in calls.items()}
        )
        for service, calls in services
    ]


def _handler(method: MethodDescriptor, call: Callable[[Any], Any]) -> grpc.RpcMethodHandler:
    kind = GetMessageClass(method.input_type)

    def parse(content: bytes) -> Message | None:
        # What is raised here would be answered as UNKNOWN.
        try:
            return kind.FromString(content)
        except DecodeError:
            return None

    async def answer(request: Message | None, context: grpc.aio.ServicerContext) -> Message:
        if request is None:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"expected a {kind.DESCRIPTOR.full_name}, received other bytes")
        try:
            answered = call(request)
            return await answered if inspect.isawaitable(answered) else answered
        except RequestError as error:
            await context.abort(error.code, str(error))

    response = GetMessageClass(method.output_type).SerializeToString
    return grpc.unary_unary_rpc_method_handler(answer, request_deserializer=parse, response_serializer=response)
