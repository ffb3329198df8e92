"""A REST request's body as TF Serving reads it: what its JSON may hold, and the values in it.

The rules and the errors follow TF Serving's `util/json_tensor.cc`. Three things differ, so that no body harms the server: values
are cut short in messages, nesting is limited, and text that is not UTF-8 is refused.
"""

import binascii
import json
import math
from typing import Any

from tensorflow.core.framework import types_pb2

from serving.server.errors import invalid

BYTES_KEY = "b64"
MAX_SHOWN = 400
MAX_FLOAT32 = (2 - 2**-23) * 2.0**127
INT64 = range(-(1 << 63), 1 << 63)
UINT64 = range(1 << 64)
# RapidJSON's sentences for what Python's parser finds wrong.
SYNTAX = {
    "Expecting value": "Invalid value.",
    "Extra data": "The document root must not be followed by other values.",
    "Expecting property name": "Missing a name for object member.",
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Expecting ',' delimiter": "Missing a comma, or the end of an object or array.",
    "Unterminated string": "Missing a closing quotation mark in string.",
    "Invalid \\escape": "Invalid escape character in string.",
    "Invalid \\uXXXX escape": "Incorrect hex digit after \\u escape in string.",
    "Invalid control character": "Invalid encoding in string.",
}


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`.

    Raises:
        RequestError: INVALID_ARGUMENT: no JSON, nested too deeply, or not an object.
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    try:
        text = body.decode("utf-8-sig")
        document = json.loads(text)
        if "\\u" in text:
            # Half of a surrogate pair is no text: protobuf would refuse it later, with a stranger error.
            json.dumps(document, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        said = next((text for start, text in SYNTAX.items() if error.msg.startswith(start)), "Unspecific syntax error.")
        raise invalid(f"JSON Parse error: {said} at offset: {len(error.doc[: error.pos].encode())}") from None
    except RecursionError:
        raise invalid("JSON Parse error: The document is nested too deeply") from None
    except UnicodeDecodeError as error:
        raise invalid(f"JSON Parse error: Invalid encoding in string. at offset: {error.start}") from None
    except UnicodeEncodeError:
        raise invalid("JSON Parse error: The surrogate pair in string is invalid.") from None
    except ValueError:
        raise invalid("JSON Parse error: Number too big to be stored in double.") from None
    if not isinstance(document, dict):
        raise invalid(f"JSON Value: {shown(document)} Is not object")
    return document


def signature_name(document: dict[str, Any]) -> str:
    """The signature a body asks for; "" is the default one.

    Raises:
        RequestError: INVALID_ARGUMENT: it is no text.
    """
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid(f"JSON Value: {shown(document)} not formatted correctly. 'signature_name' key must be a string value.")
    return name


def is_bytes(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get(BYTES_KEY), str)


def decoded(value: dict[str, Any]) -> bytes:
    if not is_bytes(value):
        raise invalid(f"JSON Value: {shown(value)} not formatted correctly for base64 data")
    text = "".join(value[BYTES_KEY].split()).rstrip("=")
    try:
        return binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
    except ValueError:
        raise invalid("Unable to base64 decode") from None


def lossless(value: float, target: str) -> float:
    """A number as a float, unless that changes a whole number or is out of range; NaN and the infinities stay."""
    digits, largest = (24, MAX_FLOAT32) if target == "float" else (53, math.inf)
    if isinstance(value, int) and (value in UINT64 or value in INT64):
        fits = abs(value) < 1 << digits
    else:
        try:
            value = float(value)
        except OverflowError:
            raise invalid("JSON Parse error: Number too big to be stored in double.") from None
        fits = not math.isfinite(value) or abs(value) <= largest
    if not fits:
        raise invalid(f"Cannot convert JSON value: {shown(value)} to {target} without loss of precision.")
    return value


def shown(value: Any) -> str:
    """`value` as JSON for a message, cut off after some hundred characters."""
    try:
        pieces, length = [], 0
        for piece in json.JSONEncoder(indent=4, ensure_ascii=False).iterencode(value):
            pieces.append(piece)
            length += len(piece)
            if length > MAX_SHOWN:
                break
    except RecursionError:
        pass
    text = "".join(pieces)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def json_type(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "Null", False: "False", True: "True"}[value]
    kinds = {dict: "Object", list: "Array", str: "String", int: "Number", float: "Number"}
    return kinds[type(value)]


def type_name(dtype: int) -> str:
    """A tensor type by TensorFlow's name: "float", "string", ..."""
    return types_pb2.DataType.Name(dtype).removeprefix("DT_").lower()
