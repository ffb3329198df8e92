"""What each inference call asks of a servable: checked inputs of its signatures, and how the outputs become the response.

Classify and Regress take serialized tf.Examples; codes and texts follow TF Serving's `predict_util.cc`, `classifier.cc`,
`regressor.cc` and `multi_inference.cc`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
from google.protobuf.message import Message
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis import classification_pb2, inference_pb2, input_pb2, model_pb2, predict_pb2, regression_pb2

from serving.server.errors import RequestError, invalid
from serving.server.servable import DEFAULT_SIGNATURE, Arrays, Servable, Signature
from serving.server.tensors import type_name, write_tensor

PREDICT, CLASSIFY, REGRESS = (f"tensorflow/serving/{name}" for name in ("predict", "classify", "regress"))


@dataclass(frozen=True)
class Run:
    """One signature to run on `inputs`."""

    signature: Signature
    inputs: Arrays


@dataclass(frozen=True)
class Inference:
    """The runs that a request needs, and the response of their outputs (in the same order)."""

    runs: list[Run]
    response: Callable[[Sequence[Arrays]], Message]


def predict(servable: Servable, request: predict_pb2.PredictRequest) -> Inference:
    """Named tensors in, named tensors out.

    Raises:
        RequestError: no such signature, input or output, or a tensor that does not fit.
    """
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    signature = servable.signatures.get(name)
    if signature is None:
        raise RequestError(grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
    if signature.method_name not in (PREDICT, CLASSIFY, REGRESS):
        expected = f"{{{PREDICT}, {CLASSIFY}, {REGRESS}}}"
        message = f"Expected prediction signature method_name to be one of {expected}. Was: {signature.method_name}"
        raise RequestError(grpc.StatusCode.INTERNAL, message)
    inputs = signature.read(request.inputs)
    wanted = signature.wanted(list(request.output_filter))

    def response(outputs: Sequence[Arrays]) -> predict_pb2.PredictResponse:
        tensors = {alias: write_tensor(outputs[0][alias], signature.outputs[alias].dtype) for alias in wanted}
        return predict_pb2.PredictResponse(model_spec=_spec(servable, name), outputs=tensors)

    return Inference([Run(signature, inputs)], response)


def classify(servable: Servable, request: classification_pb2.ClassificationRequest) -> Inference:
    """Examples in, labels and scores out.

    Raises:
        RequestError: the signature is not for classification, or no examples.
    """
    signature = _named(servable, request.model_spec)
    _check_classify(signature)
    run = _examples_run(signature, request.input)

    def response(outputs: Sequence[Arrays]) -> classification_pb2.ClassificationResponse:
        result = _classifications(signature, outputs[0], _rows(run))
        return classification_pb2.ClassificationResponse(model_spec=_spec(servable, signature.name), result=result)

    return Inference([run], response)


def regress(servable: Servable, request: regression_pb2.RegressionRequest) -> Inference:
    """Examples in, one number for each out.

    Raises:
        RequestError: the signature is not for regression, or no examples.
    """
    signature = _named(servable, request.model_spec)
    _check_regress(signature)
    run = _examples_run(signature, request.input)

    def response(outputs: Sequence[Arrays]) -> regression_pb2.RegressionResponse:
        result = _regressions(outputs[0], _rows(run))
        return regression_pb2.RegressionResponse(model_spec=_spec(servable, signature.name), result=result)

    return Inference([run], response)


def multi_inference(servable: Servable, request: inference_pb2.MultiInferenceRequest) -> Inference:
    """Several classifications and regressions of the same examples.

    Raises:
        RequestError: tasks of several models or inputs, a signature twice, or one that does not fit.
    """
    runs: list[Run] = []
    for task in request.tasks:
        if not task.model_spec.name:
            raise invalid("Found ModelSpec with an empty model name.")
        if task.model_spec.name != request.tasks[0].model_spec.name:
            raise invalid("All ModelSpecs in a MultiInferenceRequest must access the same model name.")
        name = task.model_spec.signature_name or DEFAULT_SIGNATURE
        if name in (run.signature.name for run in runs):
            raise invalid(f"Duplicate evaluation of signature: {name}")
        if name not in servable.signatures:
            raise invalid(f"Requested signature not found in model graph: {name}")
        check = {CLASSIFY: _check_classify, REGRESS: _check_regress}.get(task.method_name)
        if check is None:
            message = f"Unsupported signature method_name: {task.method_name}"
            raise RequestError(grpc.StatusCode.UNIMPLEMENTED, message)
        signature = servable.signatures[name]
        check(signature)
        if runs and _input_tensor(servable, name) != _input_tensor(servable, runs[0].signature.name):
            raise invalid("Input tensor must be the same for all Signatures.")
        runs.append(_examples_run(signature, request.input))

    def response(outputs: Sequence[Arrays]) -> inference_pb2.MultiInferenceResponse:
        results = []
        for task, run, output in zip(request.tasks, runs, outputs, strict=True):
            result = inference_pb2.InferenceResult(model_spec=_spec(servable, run.signature.name))
            if task.method_name == CLASSIFY:
                result.classification_result.CopyFrom(_classifications(run.signature, output, _rows(run)))
            else:
                result.regression_result.CopyFrom(_regressions(output, _rows(run)))
            results.append(result)
        return inference_pb2.MultiInferenceResponse(results=results)

    return Inference(runs, response)


def _spec(servable: Servable, signature_name: str) -> model_pb2.ModelSpec:
    spec = model_pb2.ModelSpec(name=servable.name, signature_name=signature_name)
    spec.version.value = servable.version
    return spec


def _named(servable: Servable, spec: model_pb2.ModelSpec) -> Signature:
    name = spec.signature_name or DEFAULT_SIGNATURE
    if name not in servable.signatures:
        raise invalid(f"No signature was found with the name: {name}")
    return servable.signatures[name]


def _check_method(signature: Signature, kind: str, method_name: str) -> None:
    if signature.method_name != method_name:
        raise invalid(f"Expected {kind} signature method_name to be {method_name}. Was: {signature.method_name}")


def _check_classify(signature: Signature) -> None:
    _check_method(signature, "classification", CLASSIFY)
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if len(signature.outputs) not in (1, 2):
        raise invalid(f"Expected one or two output Tensors, found {len(signature.outputs)}")
    if "inputs" not in signature.inputs:
        raise _precondition("No classification inputs found in SignatureDef: ", signature)
    if not {"classes", "scores"} & set(signature.outputs):
        message = 'Expected classification signature outputs to contain at least one of "classes" or "scores". Signature was: '
        raise _precondition(message, signature)


def _check_regress(signature: Signature) -> None:
    _check_method(signature, "regression", REGRESS)
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if len(signature.outputs) != 1:
        raise invalid("Expected one output Tensor.")
    if "inputs" not in signature.inputs:
        raise _precondition("No regression inputs found in SignatureDef: ", signature)
    if "outputs" not in signature.outputs:
        raise _precondition("No regression outputs found in SignatureDef: ", signature)


def _precondition(message: str, signature: Signature) -> RequestError:
    return RequestError(grpc.StatusCode.FAILED_PRECONDITION, message + signature.name)


def _input_tensor(servable: Servable, signature_name: str) -> str:
    return servable.definitions[signature_name].inputs["inputs"].name


def _examples_run(signature: Signature, given: input_pb2.Input) -> Run:
    dtype = signature.inputs["inputs"].dtype
    if dtype != types_pb2.DT_STRING:
        raise invalid(f"Expects arg[0] to be {type_name(dtype)} but string is provided")
    kind = given.WhichOneof("kind")
    listed: Any = getattr(given, kind).examples if kind else ()
    if not listed:
        raise invalid("Input is empty.")
    # Messages that follow one another are one message: the context's features join each example's.
    context = given.example_list_with_context.context.SerializeToString() if kind == "example_list_with_context" else b""
    values = np.empty(len(listed), object)
    values[:] = [context + example.SerializeToString() for example in listed]
    return Run(signature, {"inputs": values})


def _rows(run: Run) -> int:
    return len(run.inputs["inputs"])


def _classifications(signature: Signature, outputs: Arrays, rows: int) -> classification_pb2.ClassificationResult:
    classes, scores = outputs.get("classes"), outputs.get("scores")
    for name, values, dtype in (("classes", classes, types_pb2.DT_STRING), ("scores", scores, types_pb2.DT_FLOAT)):
        if values is None:
            continue
        if values.ndim != 2:
            raise invalid(f"Expected Tensor shape: [batch_size num_classes] but got {list(values.shape)}")
        if signature.outputs[name].dtype != dtype:
            received = types_pb2.DataType.Name(signature.outputs[name].dtype)
            raise invalid(f"Expected {name} Tensor of {types_pb2.DataType.Name(dtype)}. Got: {received}")
        if len(values) != rows:
            raise invalid(f"Expected {name} output batch size of {rows}. Got: {len(values)}")
    if classes is not None and scores is not None and classes.shape[1] != scores.shape[1]:
        raise invalid(f"Tensors class and score should match in dim_size(1). Got {classes.shape[1]} vs. {scores.shape[1]}")
    result = classification_pb2.ClassificationResult()
    count = next(values.shape[1] for values in (classes, scores) if values is not None)
    for row in range(rows):
        added = result.classifications.add().classes
        for column in range(count):
            added.add(
                label=None if classes is None else classes[row, column],
                score=None if scores is None else scores[row, column],
            )
    return result


def _regressions(outputs: Arrays, rows: int) -> regression_pb2.RegressionResult:
    values = outputs["outputs"]
    if values.ndim != 1 and not (values.ndim == 2 and values.shape[1] == 1):
        message = "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got "
        raise invalid(message + str(list(values.shape)))
    if len(values) != rows:
        raise invalid(f"Input batch size did not match output batch size: {rows} vs. {len(values)}")
    if values.dtype != np.float32:
        raise invalid(f"Expected output Tensor of DT_FLOAT.  Got: {values.dtype}")
    result = regression_pb2.RegressionResult()
    for value in values.ravel().tolist():
        result.regressions.add(value=value)
    return result
