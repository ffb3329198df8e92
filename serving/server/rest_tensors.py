"""The input tensors of a predict request over REST, as TF Serving reads them (`util/json_tensor.cc`).

Row format: `instances`, a list of values for a signature of one input, of objects for several. Column format: `inputs`, a value or
an object of values. Bytes are `{"b64": ...}`.
"""

import math
from collections.abc import Mapping
from typing import Any

import grpc
from tensorflow.core.framework import types_pb2
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow.core.protobuf.meta_graph_pb2 import TensorInfo

from serving.server import rest_json
from serving.server.errors import RequestError, invalid
from serving.server.rest_json import INT64, UINT64, decoded, is_bytes, json_type, lossless, shown, type_name

MAX_RANK = 254
FIELDS = {
    types_pb2.DT_FLOAT: "float_val",
    types_pb2.DT_DOUBLE: "double_val",
    types_pb2.DT_INT32: "int_val",
    types_pb2.DT_INT16: "int_val",
    types_pb2.DT_INT8: "int_val",
    types_pb2.DT_UINT8: "int_val",
    types_pb2.DT_INT64: "int64_val",
    types_pb2.DT_UINT32: "uint32_val",
    types_pb2.DT_UINT64: "uint64_val",
    types_pb2.DT_BOOL: "bool_val",
    types_pb2.DT_STRING: "string_val",
}
RANGES = {
    "int_val": range(-(1 << 31), 1 << 31),
    "int64_val": INT64,
    "uint32_val": range(1 << 32),
    "uint64_val": UINT64,
}


def read_tensors(document: dict[str, Any], declared: Mapping[str, TensorInfo]) -> tuple[dict[str, TensorProto], bool]:
    """The input tensors in a predict body, and whether they came by rows (`instances`).

    Args:
        document: the body.
        declared: the signature's inputs.

    Raises:
        RequestError: INVALID_ARGUMENT: neither or both of `instances` and `inputs`, other names, types or shapes; UNIMPLEMENTED:
            an input of a type that JSON does not express.
    """
    if not declared:
        raise invalid(f"Failed to get input map for signature: {rest_json.signature_name(document) or 'DEFAULT'}")
    if "instances" in document and "inputs" in document:
        reason = "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist "
        raise invalid(f"JSON Value: {shown(document)} {reason}")
    if "inputs" in document:
        return _columns(document["inputs"], declared), False
    if "instances" not in document:
        raise invalid("Missing 'inputs' or 'instances' key")
    rows = document["instances"]
    if not isinstance(rows, list):
        raise invalid(f"JSON Value: {shown(document)} Excepting 'instances' to be an list/array")
    if not rows:
        raise invalid(f"JSON Value: {shown(document)} No values in 'instances' array")
    return _rows(rows, declared), True


def _rows(rows: list[Any], declared: Mapping[str, TensorInfo]) -> dict[str, TensorProto]:
    if not isinstance(rows[0], dict) and len(declared) > 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per tensorinfo_map"
        )
    named = _is_named(rows[0])
    only = min(declared)
    values: dict[str, list[Any]] = {}
    shapes: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        if _is_named(row) != named:
            expected, received = ("object", "list") if named else ("value/list", "object")
            raise invalid(f"Expecting {expected} but got {received} at item {number} of input list")
        for name, item in row.items() if named else [(only, row)]:
            try:
                _add(item, name, declared, values, shapes)
            except RequestError as error:
                where = f"{number} key: {name}" if named else f"{number}"
                reason = f"Error: {error.code.name}: {error}"
                raise invalid(f"Failed to process element: {where} of 'instances' list. {reason}") from None
        if named and set(row) != set(declared):
            names = ",".join(sorted(declared))
            reason = f"JSON object: {shown(row)} keys must be equal to: {names}"
            raise invalid(f"Failed to process element: {number} of 'instances' list. {reason}")
    return {name: _tensor(declared[name].dtype, [len(rows), *shapes[name]], values[name]) for name in values}


def _add(
    item: Any, name: str, declared: Mapping[str, TensorInfo], values: dict[str, list[Any]], shapes: dict[str, list[int]]
) -> None:
    """Adds one row's `item` of input `name`; every row's must have the shape of the first."""
    if name not in declared:
        raise invalid(f"JSON object: does not have named input: {name}")
    shape, read = _dense(item, declared[name].dtype)
    expected = shapes.setdefault(name, shape)
    if math.prod(expected) != math.prod(shape):
        raise invalid(f"Expecting tensor size: {math.prod(expected)} but got: {math.prod(shape)}")
    if expected != shape:
        raise invalid(f"Expecting shape {_bracketed(expected)} but got: {_bracketed(shape)}")
    values.setdefault(name, []).extend(read)


def _columns(inputs: Any, declared: Mapping[str, TensorInfo]) -> dict[str, TensorProto]:
    if not _is_named(inputs):
        if len(declared) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per tensorinfo_map"
            )
        inputs = {min(declared): inputs}
    tensors = {}
    for name, info in declared.items():
        if name not in inputs:
            raise invalid(f"Missing named input: {name} in 'inputs' object.")
        tensors[name] = _tensor(info.dtype, *_dense(inputs[name], info.dtype))
    return tensors


def _tensor(dtype: int, shape: list[int], values: list[Any]) -> TensorProto:
    tensor = TensorProto(dtype=dtype)
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    if values:
        getattr(tensor, FIELDS[dtype]).extend(values)
    return tensor


def _dense(value: Any, dtype: int) -> tuple[list[int], list[Any]]:
    """The shape of nested lists, and their values one after the other."""
    shape: list[int] = []
    first = value
    while isinstance(first, list):
        shape.append(len(first))
        if not first:
            break
        first = first[0]
    if len(shape) > MAX_RANK:
        raise invalid(f"Encountered list at unexpected level: {len(shape)} expected < {MAX_RANK}")
    values: list[Any] = []
    _flatten(value, 0, shape, dtype, values)
    return shape, values


def _flatten(value: Any, level: int, shape: list[int], dtype: int, values: list[Any]) -> None:
    if not isinstance(value, list):
        if level != len(shape):
            where = f"found at incorrect level: {level + 1} in the JSON DOM. Expected at level: {len(shape)}"
            raise invalid(f"JSON Value: {shown(value)} {where}")
        values.append(_converted(value, dtype))
        return
    if level >= len(shape):
        raise invalid(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise invalid(f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}")
    for item in value:
        _flatten(item, level + 1, shape, dtype, values)


def _converted(value: Any, dtype: int) -> Any:
    if isinstance(value, dict):
        if dtype != types_pb2.DT_STRING:
            raise _type_error(value, dtype)
        return decoded(value)
    if dtype not in FIELDS:
        raise RequestError(grpc.StatusCode.UNIMPLEMENTED, f"Conversion of JSON Value: {shown(value)} to type: {type_name(dtype)}")
    if dtype in (types_pb2.DT_FLOAT, types_pb2.DT_DOUBLE):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _type_error(value, dtype)
        return lossless(value, type_name(dtype))
    if dtype == types_pb2.DT_STRING:
        if not isinstance(value, str):
            raise _type_error(value, dtype)
        return value.encode()
    if dtype == types_pb2.DT_BOOL:
        if not isinstance(value, bool):
            raise _type_error(value, dtype)
        return value
    if isinstance(value, bool) or not isinstance(value, int) or value not in RANGES[FIELDS[dtype]]:
        raise _type_error(value, dtype)
    return value


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and not is_bytes(value)


def _type_error(value: Any, dtype: int) -> RequestError:
    return invalid(f"JSON Value: {shown(value)} Type: {json_type(value)} is not of expected type: {type_name(dtype)}")


def _bracketed(shape: list[int]) -> str:
    return f"[{','.join(map(str, shape))}]"
