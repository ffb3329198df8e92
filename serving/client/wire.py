"""TF Serving's messages: requests made, answers read. The only module of the client that needs TensorFlow."""

from collections.abc import Sequence
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow_serving.apis import get_model_status_pb2, model_service_pb2_grpc, predict_pb2, prediction_service_pb2_grpc

from components.common.errors import UserError

OUTPUTS = ("labels", "scores", "boxes")


def call_predict(channel: grpc.Channel, model: str, jpegs: Sequence[bytes], deadline_s: float) -> dict[str, NDArray[Any]]:
    """Asks for the predictions of n photos.

    Returns:
        `labels` object (bytes) `(n, k)`, `scores` float32 `(n, k)`, `boxes` float32 `(n, 4)`.

    Raises:
        UserError: the model answers with something else.
        grpc.RpcError: the call failed.
    """
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.inputs["jpeg"].CopyFrom(tf.make_tensor_proto(list(jpegs), tf.string, shape=[len(jpegs)]))
    response = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=deadline_s)
    outputs = {name: tf.make_ndarray(tensor) for name, tensor in response.outputs.items()}
    shapes = {name: outputs[name].shape if name in outputs else None for name in OUTPUTS}
    candidates = np.shape(outputs.get("labels", ()))[1:]
    if shapes != {"labels": (len(jpegs), *candidates), "scores": (len(jpegs), *candidates), "boxes": (len(jpegs), 4)}:
        raise UserError(f"model {model!r}: expected outputs {', '.join(OUTPUTS)} of Marque's export, received shapes {shapes}")
    return outputs


def call_status(channel: grpc.Channel, model: str, deadline_s: float) -> list[tuple[int, str, str]]:
    """(version, state such as AVAILABLE, error message) of every version of a model.

    Raises:
        grpc.RpcError: the call failed.
    """
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = model
    response = model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(request, timeout=deadline_s)
    state_name = get_model_status_pb2.ModelVersionStatus.State.Name
    return [(entry.version, state_name(entry.state), entry.status.error_message) for entry in response.model_version_status]
