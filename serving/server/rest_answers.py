"""REST answers as TF Serving writes them: PredictResponse and its kin -> JSON.

The values, their form and the errors follow TF Serving's `util/json_tensor.cc` and `model_servers/http_rest_api_util.cc`; only
white space may differ, and text that is not UTF-8 is mended, since JSON cannot hold it.
"""

import base64
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from google.protobuf.message import Message
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow_serving.apis.classification_pb2 import ClassificationResult
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataResponse, SignatureDefMap
from tensorflow_serving.apis.regression_pb2 import RegressionResult

from serving.server.errors import invalid
from serving.server.rest_json import type_name

BYTES_SUFFIX = "_bytes"
WRITABLE = {"half", "float", "double", "int32", "int16", "int8", "uint8", "string", "int64", "bool", "uint32", "uint64"}


def predictions(outputs: Mapping[str, TensorProto], by_rows: bool) -> str:
    """The answer to a predict request, in the format that its request had.

    One output stands alone, several are an object (for each row, or one of whole columns).

    Raises:
        RequestError: INVALID_ARGUMENT: a type that JSON does not express, or outputs that have no common rows.
    """
    if not outputs:
        raise invalid("Cannot convert empty tensor map to JSON")
    names = sorted(outputs)
    if not by_rows:
        columns = [_nested(name, outputs[name], 0)[0] for name in names]
        return _document("outputs", columns[0] if len(names) == 1 else _object(names, columns, " " * 4))
    _check_rows(names, outputs)
    rows = list(zip(*(_nested(name, outputs[name], 1) for name in names), strict=True))
    if not rows:
        return _document("predictions", "[]")
    if len(names) == 1:
        return _document("predictions", f"[{', '.join(row[0] for row in rows)}\n    ]")
    objects = (_object(names, row, " " * 8) for row in rows)
    return _document("predictions", f"[\n        {', '.join(objects)}\n    ]")


def classifications(result: ClassificationResult) -> str:
    """The answer to a classify request: for each example a list of [label, score].

    Raises:
        RequestError: INVALID_ARGUMENT: there are none.
    """
    if not result.classifications:
        raise invalid("Cannot convert empty ClassificationResults to JSON")
    rows = (
        "[" + ", ".join(f"[{_text(each.label)}, {_decimal(each.score, 32)}]" for each in classified.classes) + "]"
        for classified in result.classifications
    )
    return _document("results", f"[{', '.join(rows)}\n    ]")


def regressions(result: RegressionResult) -> str:
    """The answer to a regress request: for each example a number.

    Raises:
        RequestError: INVALID_ARGUMENT: there are none.
    """
    if not result.regressions:
        raise invalid("Cannot convert empty RegressionResults to JSON")
    return _document("results", f"[{', '.join(_decimal(each.value, 32) for each in result.regressions)}]")


def status(response: Message) -> str:
    """The answer to a status request."""
    return json_format.MessageToJson(response, always_print_fields_with_no_presence=True, indent=1) + "\n"


def metadata(response: GetModelMetadataResponse) -> str:
    """The answer to a metadata request; its `Any` is opened, without its type."""
    signatures = SignatureDefMap()
    response.metadata["signature_def"].Unpack(signatures)
    opened = {"model_spec": _fields(response.model_spec), "metadata": {"signature_def": _fields(signatures)}}
    return json.dumps(opened, indent=1) + "\n"


def error(message: str) -> str:
    """The answer to a request that is refused."""
    return _document("error", json.dumps(message))


def _fields(message: Message) -> dict[str, Any]:
    return json_format.MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def _document(key: str, value: str) -> str:
    return f'{{\n    "{key}": {value}\n}}'


def _object(names: Iterable[str], values: Iterable[str], indent: str) -> str:
    members = ",\n".join(f"{indent}    {_text(name)}: {value}" for name, value in zip(names, values, strict=True))
    return f"{{\n{members}\n{indent}}}"


def _check_rows(names: Iterable[str], outputs: Mapping[str, TensorProto]) -> None:
    rows = None
    for name in names:
        shape = _shape(outputs[name])
        if not shape:
            raise invalid(f"Tensor name: {name} has no shape information ")
        if rows is not None and shape[0] != rows:
            raise invalid(f"Tensor name: {name} has inconsistent batch size: {shape[0]} expecting: {rows}")
        rows = shape[0]


def _shape(tensor: TensorProto) -> list[int]:
    return [dim.size for dim in tensor.tensor_shape.dim]


def _nested(name: str, tensor: TensorProto, first_level: int) -> list[str]:
    """A tensor as JSON: one text, or one for each row where `first_level` is 1."""
    values, shape = _values(name, tensor), _shape(tensor)
    for level in reversed(range(first_level, len(shape))):
        size = shape[level]
        values = [f"[{', '.join(values[each * size : (each + 1) * size])}]" for each in range(math.prod(shape[:level]))]
    return values


def _values(name: str, tensor: TensorProto) -> list[str]:
    if type_name(tensor.dtype) not in WRITABLE:
        raise invalid(f"Failed to write JSON value for tensor type: {type_name(tensor.dtype)}")
    array = tf.make_ndarray(tensor)
    flat = array.ravel().tolist()
    if array.dtype.kind == "f":
        return [_decimal(value, array.dtype.itemsize * 8) for value in flat]
    if array.dtype.kind == "b":
        return ["true" if value else "false" for value in flat]
    if array.dtype.kind in "iu":
        return [str(value) for value in flat]
    if name.endswith(BYTES_SUFFIX):
        return [f'{{"b64": "{base64.b64encode(value).decode()}"}}' for value in flat]
    return [_text(value.decode(errors="replace")) for value in flat]


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _decimal(value: float, bits: int) -> str:
    """Six digits where these give the number back, else as many as it takes; a whole number ends in .0."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    text = f"{value:.6g}"
    if (float(np.float32(text)) if bits == 32 else float(text)) != value:
        text = f"{value:.{9 if bits == 32 else 17}g}"
    return text if "." in text or "e" in text else f"{text}.0"
