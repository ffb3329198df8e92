"""Classify, Regress and MultiInference of a model made for them, as TF Serving answers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import classification_pb2, inference_pb2, input_pb2, model_pb2, prediction_log_pb2, regression_pb2

CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"


@pytest.fixture
def estimator(tmp_path: Path, record_warm_up: Callable[..., None]) -> Path:
    """A model in TensorFlow 1's way: examples with a number x in; classes, scores and x doubled out."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        examples = v1.placeholder(tf.string, [None])
        x = v1.parse_example(examples, {"x": v1.FixedLenFeature([1], tf.float32)})["x"]
        classes = tf.tile(tf.constant([["low", "high"]]), [tf.shape(x)[0], 1])
        scores = tf.concat([1 - x, x], 1)
        info = v1.saved_model.utils.build_tensor_info
        other = v1.placeholder(tf.float32, [None])

        def signature(method: str, inputs: dict[str, Any], outputs: dict[str, Any]) -> Any:
            named = ({name: info(tensor) for name, tensor in tensors.items()} for tensors in (inputs, outputs))
            return v1.saved_model.build_signature_def(*named, method_name=method)

        given = {"inputs": examples}
        builder = v1.saved_model.Builder(str(tmp_path / "m" / "1"))
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            {
                "serving_default": signature(CLASSIFY, given, {"classes": classes, "scores": scores}),
                "scores": signature(CLASSIFY, given, {"scores": scores}),
                "double": signature(REGRESS, given, {"outputs": 2 * x}),
                "flat": signature(REGRESS, given, {"outputs": 2 * x[:, 0]}),
                "wide": signature(REGRESS, given, {"outputs": scores}),
                "whole": signature(REGRESS, given, {"outputs": tf.cast(x, tf.int64)}),
                "numbers": signature(REGRESS, {"inputs": other}, {"outputs": other}),
                "unnamed": signature(REGRESS, given, {"values": x}),
                "two": signature(REGRESS, {"inputs": examples, "others": other}, {"outputs": x}),
                "odd": signature("tensorflow/serving/odd", given, {"outputs": x}),
            },
        )
        builder.save()
    log = prediction_log_pb2.PredictionLog()
    log.classify_log.request.CopyFrom(classification_pb2.ClassificationRequest(model_spec=spec(), input=examples_of(0.5)))
    other_log = prediction_log_pb2.PredictionLog()
    other_log.regress_log.request.CopyFrom(regression_pb2.RegressionRequest(model_spec=spec("double"), input=examples_of(0.5)))
    record_warm_up(tmp_path / "m" / "1", log.SerializeToString(), other_log.SerializeToString())
    return tmp_path


def spec(signature: str = "", model: str = "m") -> model_pb2.ModelSpec:
    return model_pb2.ModelSpec(name=model, signature_name=signature)


def example(**features: float) -> tf.train.Example:
    listed = {name: tf.train.Feature(float_list=tf.train.FloatList(value=[value])) for name, value in features.items()}
    return tf.train.Example(features=tf.train.Features(feature=listed))


def examples_of(*numbers: float) -> input_pb2.Input:
    return input_pb2.Input(example_list=input_pb2.ExampleList(examples=[example(x=number) for number in numbers]))


def refusal(call: Callable[..., Any], request: Any) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=20)
    return caught.value.code().name, caught.value.details()


def test_classify(estimator: Path, serve) -> None:
    asked = serve(estimator, "m")
    request = classification_pb2.ClassificationRequest(model_spec=spec(), input=examples_of(0.25, 1.0))
    response = asked.prediction.Classify(request, timeout=20)
    found = [[(one.label, one.score) for one in row.classes] for row in response.result.classifications]
    assert found == [[("low", 0.75), ("high", 0.25)], [("low", 0.0), ("high", 1.0)]]
    assert (response.model_spec.name, response.model_spec.version.value) == ("m", 1)
    assert response.model_spec.signature_name == "serving_default"
    request.model_spec.signature_name = "scores"
    (row,) = asked.prediction.Classify(
        classification_pb2.ClassificationRequest(model_spec=spec("scores"), input=examples_of(0.25)), timeout=20
    ).result.classifications
    assert [(one.label, one.score) for one in row.classes] == [("", 0.75), ("", 0.25)]


@pytest.mark.parametrize("signature", ["double", "flat"])
def test_regress(estimator: Path, serve, signature: str) -> None:
    asked = serve(estimator, "m")
    request = regression_pb2.RegressionRequest(model_spec=spec(signature), input=examples_of(0.25, 4.0))
    response = asked.prediction.Regress(request, timeout=20)
    assert [one.value for one in response.result.regressions] == [0.5, 8.0]


def test_a_context_joins_every_example(estimator: Path, serve) -> None:
    asked = serve(estimator, "m")
    given = input_pb2.Input()
    given.example_list_with_context.context.CopyFrom(example(x=3.0))
    given.example_list_with_context.examples.extend([example(), example(x=1.0)])
    request = regression_pb2.RegressionRequest(model_spec=spec("double"), input=given)
    assert [one.value for one in asked.prediction.Regress(request, timeout=20).result.regressions] == [6.0, 2.0]


def test_multi_inference(estimator: Path, serve) -> None:
    asked = serve(estimator, "m")
    tasks = [
        inference_pb2.InferenceTask(model_spec=spec("double"), method_name=REGRESS),
        inference_pb2.InferenceTask(model_spec=spec(), method_name=CLASSIFY),
    ]
    request = inference_pb2.MultiInferenceRequest(tasks=tasks, input=examples_of(0.25))
    first, second = asked.prediction.MultiInference(request, timeout=20).results
    assert [one.value for one in first.regression_result.regressions] == [0.5]
    assert [one.label for one in second.classification_result.classifications[0].classes] == ["low", "high"]
    assert [(one.model_spec.signature_name, one.model_spec.version.value) for one in (first, second)] == [
        ("double", 1),
        ("serving_default", 1),
    ]


@pytest.mark.parametrize(
    ("signature", "code", "details"),
    [
        ("serving_default", "INVALID_ARGUMENT", f"Expected regression signature method_name to be {REGRESS}. Was: {CLASSIFY}"),
        ("none", "INVALID_ARGUMENT", "No signature was found with the name: none"),
        ("two", "INVALID_ARGUMENT", "Expected one input Tensor."),
        ("unnamed", "FAILED_PRECONDITION", "No regression outputs found in SignatureDef: unnamed"),
        ("numbers", "INVALID_ARGUMENT", "Expects arg[0] to be float32 but string is provided"),
        ("whole", "INVALID_ARGUMENT", "Expected output Tensor of DT_FLOAT.  Got: int64"),
        (
            "wide",
            "INVALID_ARGUMENT",
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got [1, 2]",
        ),
    ],
)
def test_signatures_that_do_not_fit(estimator: Path, serve, signature: str, code: str, details: str) -> None:
    asked = serve(estimator, "m")
    request = regression_pb2.RegressionRequest(model_spec=spec(signature), input=examples_of(1.0))
    assert refusal(asked.prediction.Regress, request) == (code, details)


def test_requests_that_do_not_fit(estimator: Path, serve) -> None:
    asked = serve(estimator, "m")
    empty = regression_pb2.RegressionRequest(model_spec=spec("double"))
    assert refusal(asked.prediction.Regress, empty) == ("INVALID_ARGUMENT", "Input is empty.")
    empty.input.example_list.SetInParent()
    assert refusal(asked.prediction.Regress, empty) == ("INVALID_ARGUMENT", "Input is empty.")
    unread = classification_pb2.ClassificationRequest(model_spec=spec(), input=examples_of())
    unread.input.example_list.examples.add()
    assert refusal(asked.prediction.Classify, unread)[0] == "INVALID_ARGUMENT"
    odd = asked.request()
    odd.model_spec.signature_name = "odd"
    code, details = refusal(asked.prediction.Predict, odd)
    assert (code, details.startswith("Expected prediction signature method_name to be one of")) == ("INTERNAL", True)


def test_tasks_that_do_not_fit(estimator: Path, serve) -> None:
    asked = serve(estimator, "m")
    good = inference_pb2.InferenceTask(model_spec=spec("double"), method_name=REGRESS)

    def refused(*tasks: inference_pb2.InferenceTask) -> tuple[str, str]:
        request = inference_pb2.MultiInferenceRequest(tasks=tasks, input=examples_of(1.0))
        return refusal(asked.prediction.MultiInference, request)

    def task(method: str = REGRESS, signature: str = "flat", model: str = "m") -> inference_pb2.InferenceTask:
        return inference_pb2.InferenceTask(model_spec=spec(signature, model), method_name=method)

    assert refused() == ("INVALID_ARGUMENT", "ModelSpec has no name specified.")
    assert refused(good, good) == ("INVALID_ARGUMENT", "Duplicate evaluation of signature: double")
    assert refused(good, task(signature="none")) == ("INVALID_ARGUMENT", "Requested signature not found in model graph: none")
    assert refused(good, task(signature="numbers")) == ("INVALID_ARGUMENT", "Input tensor must be the same for all Signatures.")
    assert refused(good, task("odd")) == ("UNIMPLEMENTED", "Unsupported signature method_name: odd")
    assert refused(good, task(model="")) == ("INVALID_ARGUMENT", "Found ModelSpec with an empty model name.")
    assert refused(good, task(model="n")) == (
        "INVALID_ARGUMENT",
        "All ModelSpecs in a MultiInferenceRequest must access the same model name.",
    )
