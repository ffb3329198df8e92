"""The embedded server as any TF Serving client sees it: through the stubs of tensorflow-serving-api alone."""

import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    input_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from components.common.errors import UserError
from serving.server import server as embedded
from serving.server.servable import Servable

MakePhoto = Callable[..., bytes]


@pytest.fixture
def channel(address: str) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(address) as channel:
        yield channel


@pytest.fixture
def prediction_service(channel: grpc.Channel) -> prediction_service_pb2_grpc.PredictionServiceStub:
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


@pytest.fixture
def model_service(channel: grpc.Channel) -> model_service_pb2_grpc.ModelServiceStub:
    return model_service_pb2_grpc.ModelServiceStub(channel)


def request_for(value: object, name: str = "jpeg", model: str = "marque") -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request


def refusal(call: Callable[..., object], request: object) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=20)
    return caught.value.code().name, caught.value.details()


def test_predict_gives_all_outputs_and_says_what_answered(prediction_service, photo: MakePhoto) -> None:
    response = prediction_service.Predict(request_for([photo("red"), photo("blue")]), timeout=20)
    labels, scores, boxes = (tf.make_ndarray(response.outputs[name]) for name in ("labels", "scores", "boxes"))
    assert labels[:, 0].tolist() == [b"red car", b"blue car"]
    assert (scores.shape, scores.dtype, boxes.shape, boxes.dtype) == ((2, 3), np.float32, (2, 4), np.float32)
    spec = response.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("marque", 2, "serving_default")


def test_an_output_filter_leaves_the_others_out(prediction_service, photo: MakePhoto) -> None:
    request = request_for([photo("red")])
    request.output_filter.append("boxes")
    assert list(prediction_service.Predict(request, timeout=20).outputs) == ["boxes"]


def test_a_batch_of_none_is_answered(prediction_service) -> None:
    response = prediction_service.Predict(request_for(tf.constant([], tf.string)), timeout=20)
    assert tf.make_ndarray(response.outputs["labels"]).shape == (0, 3)


def test_a_version_can_be_asked_for(prediction_service, photo: MakePhoto) -> None:
    request = request_for([photo("red")])
    request.model_spec.version.value = 2
    assert prediction_service.Predict(request, timeout=20).model_spec.version.value == 2


def test_metadata_gives_the_signature(prediction_service) -> None:
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "marque"
    response = prediction_service.GetModelMetadata(request, timeout=20)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    signature = signatures.signature_def["serving_default"]
    assert signature.method_name == "tensorflow/serving/predict"
    assert {name: tf.as_dtype(info.dtype) for name, info in signature.inputs.items()} == {"jpeg": tf.string}
    assert set(signature.outputs) == {"labels", "scores", "boxes"}
    assert response.model_spec.version.value == 2


@pytest.mark.parametrize("version", [None, 2])
def test_status_is_available(model_service, version: int | None) -> None:
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "marque"
    if version is not None:
        request.model_spec.version.value = version
    (status,) = model_service.GetModelStatus(request, timeout=20).model_version_status
    assert (status.version, status.state, status.status.error_code) == (2, get_model_status_pb2.ModelVersionStatus.AVAILABLE, 0)


def test_status_of_what_is_not_served(model_service) -> None:
    request = get_model_status_pb2.GetModelStatusRequest()
    assert refusal(model_service.GetModelStatus, request) == ("INVALID_ARGUMENT", "Missing ModelSpec")
    request.model_spec.name = "other"
    assert refusal(model_service.GetModelStatus, request) == ("NOT_FOUND", "Could not find any versions of model other")
    request.model_spec.name = "marque"
    request.model_spec.version.value = 1
    assert refusal(model_service.GetModelStatus, request) == ("NOT_FOUND", "Could not find version 1 of model marque")


@pytest.mark.parametrize(
    ("model", "version", "label", "code", "details"),
    [
        ("other", None, "", "NOT_FOUND", "Servable not found for request: Latest(other)"),
        ("marque", 3, "", "NOT_FOUND", "Servable not found for request: Specific(marque, 3)"),
        ("marque", None, "stable", "INVALID_ARGUMENT", "Unrecognized servable version label: stable"),
        ("", None, "", "INVALID_ARGUMENT", "ModelSpec has no name specified."),
    ],
)
def test_a_model_that_is_not_served(prediction_service, model, version, label, code, details) -> None:
    request = request_for([b"-"], model=model)
    if version is not None:
        request.model_spec.version.value = version
    if label:
        request.model_spec.version_label = label
    assert refusal(prediction_service.Predict, request) == (code, details)
    metadata = get_model_metadata_pb2.GetModelMetadataRequest(model_spec=request.model_spec, metadata_field=["signature_def"])
    assert refusal(prediction_service.GetModelMetadata, metadata) == (code, details)


def test_a_request_without_a_model(prediction_service) -> None:
    assert refusal(prediction_service.Predict, predict_pb2.PredictRequest()) == ("INVALID_ARGUMENT", "Missing ModelSpec")


def test_an_unknown_signature(prediction_service) -> None:
    request = request_for([b"-"])
    request.model_spec.signature_name = "train"
    assert refusal(prediction_service.Predict, request) == ("FAILED_PRECONDITION", 'Serving signature key "train" not found.')


def test_wrong_names_of_inputs_and_outputs(prediction_service) -> None:
    code, details = refusal(prediction_service.Predict, request_for([b"-"], name="image"))
    assert code == "INVALID_ARGUMENT"
    assert details == (
        "input size does not match signature: 1!=1 len({image}) != len({jpeg}). Sent extra: {image}. Missing but required: {jpeg}."
    )
    request = request_for([b"-"])
    request.output_filter.append("logits")
    code, details = refusal(prediction_service.Predict, request)
    assert code == "INVALID_ARGUMENT"
    assert details.startswith("output tensor alias not found in signature: logits Outputs expected to be in the set {boxes,labels")
    request.output_filter[:] = ["boxes", "boxes"]
    assert refusal(prediction_service.Predict, request) == ("INVALID_ARGUMENT", "duplicate output tensor alias: boxes")


@pytest.mark.parametrize(
    ("value", "details"),
    [
        ([1.0], "Expects arg[0] to be string but float32 is provided"),
        ([[b"-"]], "input jpeg: expected shape (None,), received [1, 1]"),
        (b"-", "input jpeg: expected shape (None,), received []"),
        ([b"no photo"], "Unknown image file format. One of JPEG"),
    ],
)
def test_wrong_values(prediction_service, value: object, details: str) -> None:
    code, received = refusal(prediction_service.Predict, request_for(value))
    assert code == "INVALID_ARGUMENT"
    assert received.startswith(details)
    assert "\n" not in received


def test_one_bad_photo_refuses_the_batch(prediction_service, photo: MakePhoto) -> None:
    assert refusal(prediction_service.Predict, request_for([photo("red"), photo("red")[:100]]))[0] == "INVALID_ARGUMENT"


def test_malformed_tensors(prediction_service) -> None:
    request = request_for([b"-"])
    request.inputs["jpeg"].tensor_shape.dim[0].size = 1 << 40
    code, details = refusal(prediction_service.Predict, request)
    assert (code, details) == ("INVALID_ARGUMENT", "input jpeg: expected at most 16777216 elements, received shape [1099511627776]")
    request.inputs["jpeg"].tensor_shape.dim[0].size = -5
    assert refusal(prediction_service.Predict, request)[0] == "INVALID_ARGUMENT"
    request.inputs["jpeg"].dtype = 0
    expected = ("INVALID_ARGUMENT", "Expects arg[0] to be string but invalid is provided")
    assert refusal(prediction_service.Predict, request) == expected


def test_metadata_fields_are_checked(prediction_service) -> None:
    request = get_model_metadata_pb2.GetModelMetadataRequest()
    request.model_spec.name = "marque"
    assert refusal(prediction_service.GetModelMetadata, request)[0] == "INVALID_ARGUMENT"
    request.metadata_field.append("weights")
    assert refusal(prediction_service.GetModelMetadata, request) == (
        "INVALID_ARGUMENT",
        "Metadata field weights is not supported",
    )


def test_calls_that_the_signature_does_not_fit(prediction_service) -> None:
    spec = request_for([b"-"]).model_spec
    given = input_pb2.Input(example_list=input_pb2.ExampleList(examples=[tf.train.Example()]))
    classification = classification_pb2.ClassificationRequest(model_spec=spec, input=given)
    assert refusal(prediction_service.Classify, classification) == (
        "INVALID_ARGUMENT",
        "Expected classification signature method_name to be tensorflow/serving/classify. Was: tensorflow/serving/predict",
    )
    regression = regression_pb2.RegressionRequest(model_spec=spec, input=given)
    assert refusal(prediction_service.Regress, regression) == (
        "INVALID_ARGUMENT",
        "Expected regression signature method_name to be tensorflow/serving/regress. Was: tensorflow/serving/predict",
    )
    regression.model_spec.signature_name = "other"
    assert refusal(prediction_service.Regress, regression) == (
        "INVALID_ARGUMENT",
        "No signature was found with the name: other",
    )
    task = inference_pb2.InferenceTask(model_spec=spec, method_name="tensorflow/serving/predict")
    multi = inference_pb2.MultiInferenceRequest(tasks=[task], input=given)
    assert refusal(prediction_service.MultiInference, multi) == (
        "UNIMPLEMENTED",
        "Unsupported signature method_name: tensorflow/serving/predict",
    )
    assert refusal(prediction_service.Classify, classification_pb2.ClassificationRequest()) == (
        "INVALID_ARGUMENT",
        "Missing ModelSpec",
    )


def test_a_message_above_the_limit(repository: Path) -> None:
    small = embedded.start(repository, "marque", host="localhost", port=0, max_message_bytes=1000)
    try:
        with grpc.insecure_channel(f"localhost:{small.port}") as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            assert refusal(stub.Predict, request_for([b"x" * 2000]))[0] == "RESOURCE_EXHAUSTED"
    finally:
        small.stop(0)


def wait_until_refused(channel: grpc.Channel) -> None:
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "marque"
    deadline = time.monotonic() + 20
    with contextlib.suppress(grpc.RpcError):
        while time.monotonic() < deadline:
            model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(request, timeout=20)
        raise AssertionError("the server still takes requests")


def test_a_stop_lets_the_request_under_way_finish(repository: Path, photo: MakePhoto, monkeypatch: pytest.MonkeyPatch) -> None:
    running = embedded.start(repository, "marque", host="localhost", port=0)
    arrived, go_on, run = threading.Event(), threading.Event(), Servable.run

    def run_when_told(*arguments: object) -> object:
        arrived.set()
        assert go_on.wait(20)
        return run(*arguments)

    monkeypatch.setattr(Servable, "run", run_when_told)
    with grpc.insecure_channel(f"localhost:{running.port}") as channel, ThreadPoolExecutor(1) as pool:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        under_way = stub.Predict.future(request_for([photo("red")]), timeout=20)
        assert arrived.wait(20)
        stopped = pool.submit(running.stop, 20)
        wait_until_refused(channel)
        go_on.set()
        assert under_way.result().model_spec.version.value == 2
        stopped.result()


@pytest.mark.parametrize(
    ("layout", "model", "message"),
    [
        ([], "marque", "expected a model repository"),
        (["other/1/"], "marque", "expected a model named 'marque', found other"),
        (["marque/latest/", "marque/.publishing-1/"], "marque", "expected a folder named by an integer version, found none"),
        (["marque/1/"], "marque", r"1: expected a SavedModel, found no saved_model\.pb"),
        (["marque/1/", "marque/1/saved_model.pb"], "marque", "1: expected a SavedModel that loads"),
        (["marque/1/"], "../repository/marque", "expected the name of a model"),
        (["marque/1/"], "..", "expected the name of a model"),
        (["1/"], "", "expected the name of a model"),
    ],
)
def test_a_repository_without_a_model_to_serve(tmp_path: Path, layout: list[str], model: str, message: str) -> None:
    for name in layout:
        path = tmp_path / "repository" / name
        path.mkdir(parents=True) if name.endswith("/") else path.write_bytes(b"no model")
    with pytest.raises(UserError, match=message):
        embedded.start(tmp_path / "repository", model, host="localhost", port=0)


@pytest.mark.parametrize("name", ["variables.data-00000-of-00001", "variables.index"])
def test_a_model_cut_off_in_its_variables(repository: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(repository / "marque" / "2", tmp_path / "marque" / "2")
    variables = tmp_path / "marque" / "2" / "variables" / name
    variables.write_bytes(variables.read_bytes()[:-20])
    with pytest.raises(UserError, match="2: expected a SavedModel that loads"):
        embedded.start(tmp_path, "marque", host="localhost", port=0)
