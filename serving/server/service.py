"""The gRPC face of one servable: TF Serving's PredictionService (Predict, GetModelMetadata) and ModelService (GetModelStatus).

Their other calls answer UNIMPLEMENTED. Status codes and messages follow TF Serving.
"""

from typing import Any

import grpc
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serving.server.servable import DEFAULT_SIGNATURE, RequestError, Servable

SIGNATURE_FIELD = "signature_def"
AVAILABLE = get_model_status_pb2.ModelVersionStatus.State.AVAILABLE


def _unimplemented(_self: Any, _request: Any, context: grpc.ServicerContext) -> None:
    context.abort(grpc.StatusCode.UNIMPLEMENTED, "the embedded server has no such call; use TF Serving for it")


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predict and GetModelMetadata of one servable."""

    Classify = Regress = MultiInference = _unimplemented

    def __init__(self, servable: Servable):
        self._servable = servable

    def Predict(self, request: predict_pb2.PredictRequest, context: grpc.ServicerContext) -> predict_pb2.PredictResponse:  # noqa: N802
        """Runs a signature; answers with the version and signature that were used."""
        try:
            _check_served(request, self._servable)
            signature_name = request.model_spec.signature_name
            outputs = self._servable.run(signature_name, request.inputs, list(request.output_filter))
        except RequestError as error:
            context.abort(error.code, str(error))
        spec = _spec(self._servable)
        spec.signature_name = signature_name or DEFAULT_SIGNATURE
        return predict_pb2.PredictResponse(model_spec=spec, outputs=outputs)

    def GetModelMetadata(  # noqa: N802
        self, request: get_model_metadata_pb2.GetModelMetadataRequest, context: grpc.ServicerContext
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """The signatures of the servable."""
        try:
            _check_metadata_fields(list(request.metadata_field))
            _check_served(request, self._servable)
        except RequestError as error:
            context.abort(error.code, str(error))
        response = get_model_metadata_pb2.GetModelMetadataResponse(model_spec=_spec(self._servable))
        response.metadata[SIGNATURE_FIELD].Pack(get_model_metadata_pb2.SignatureDefMap(signature_def=self._servable.signatures))
        return response


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """GetModelStatus of one servable, which is available as long as the server runs."""

    HandleReloadConfigRequest = _unimplemented

    def __init__(self, servable: Servable):
        self._servable = servable

    def GetModelStatus(  # noqa: N802
        self, request: get_model_status_pb2.GetModelStatusRequest, context: grpc.ServicerContext
    ) -> get_model_status_pb2.GetModelStatusResponse:
        """The state of the loaded version."""
        if not request.HasField("model_spec"):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Missing ModelSpec")
        spec = request.model_spec
        if spec.HasField("version") and (spec.name, spec.version.value) != (self._servable.name, self._servable.version):
            context.abort(grpc.StatusCode.NOT_FOUND, f"Could not find version {spec.version.value} of model {spec.name}")
        if spec.name != self._servable.name:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Could not find any versions of model {spec.name}")
        status = get_model_status_pb2.ModelVersionStatus(version=self._servable.version, state=AVAILABLE)
        status.status.SetInParent()
        return get_model_status_pb2.GetModelStatusResponse(model_version_status=[status])


def _check_served(request: Any, servable: Servable) -> None:
    if not request.HasField("model_spec"):
        raise RequestError(grpc.StatusCode.INVALID_ARGUMENT, "Missing ModelSpec")
    spec = request.model_spec
    if not spec.name:
        raise RequestError(grpc.StatusCode.INVALID_ARGUMENT, "ModelSpec has no name specified.")
    if spec.version_label:
        raise RequestError(grpc.StatusCode.INVALID_ARGUMENT, f"Unrecognized servable version label: {spec.version_label}")
    wanted = f"Specific({spec.name}, {spec.version.value})" if spec.HasField("version") else f"Latest({spec.name})"
    if spec.name != servable.name or (spec.HasField("version") and spec.version.value != servable.version):
        raise RequestError(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {wanted}")


def _check_metadata_fields(fields: list[str]) -> None:
    if not fields:
        raise RequestError(grpc.StatusCode.INVALID_ARGUMENT, "GetModelMetadataRequest must specify at least one metadata_field")
    for field in fields:
        if field != SIGNATURE_FIELD:
            raise RequestError(grpc.StatusCode.INVALID_ARGUMENT, f"Metadata field {field} is not supported")


def _spec(servable: Servable) -> model_pb2.ModelSpec:
    spec = model_pb2.ModelSpec(name=servable.name)
    spec.version.value = servable.version
    return spec
