"""The examples of a classify or regress request over REST, as TF Serving reads them (`util/json_tensor.cc`)."""

from typing import Any

from tensorflow.core.example.example_pb2 import Example
from tensorflow.core.example.feature_pb2 import Feature
from tensorflow_serving.apis.input_pb2 import Input

from serving.server.errors import invalid
from serving.server.rest_json import INT64, UINT64, decoded, is_bytes, json_type, lossless, shown


def read_examples(document: dict[str, Any]) -> Input:
    """The examples, and their context, in a classify or regress body.

    Raises:
        RequestError: INVALID_ARGUMENT: no list of examples, or features of no or of several types.
    """
    read = Input()
    context = "context" in document
    if context:
        read.example_list_with_context.context.CopyFrom(_example(document["context"]))
    if "examples" not in document:
        raise invalid(f"JSON Value: {shown(document)} When method is classify, key 'examples' is expected and was not found")
    examples = document["examples"]
    if not isinstance(examples, list):
        raise invalid(f"JSON Value: {shown(document)} Expecting 'examples' value to be an list/array")
    if not examples:
        raise invalid(f"JSON Value: {shown(document)} 'examples' value is an empty array")
    into = read.example_list_with_context.examples if context else read.example_list.examples
    into.extend(_example(example) for example in examples)
    return read


def _example(value: Any) -> Example:
    if not isinstance(value, dict):
        raise invalid(f"Example must be JSON object but got JSON {json_type(value)}")
    example = Example()
    for name, content in value.items():
        feature = example.features.feature[name]
        for item in content if isinstance(content, list) else [content]:
            _add_to_feature(feature, name, item)
    return example


def _add_to_feature(feature: Feature, name: str, value: Any) -> None:
    if isinstance(value, int) and not isinstance(value, bool) and value not in INT64:
        if value in UINT64:
            raise invalid(f"Feature: {name} has uint64 element. Only int64 is supported.")
        value = lossless(value, "float")
    if isinstance(value, str) or is_bytes(value):
        kind = "bytes_list"
    elif isinstance(value, int):
        kind = "int64_list"
    elif isinstance(value, float):
        kind = "float_list"
    else:
        raise invalid(f"Feature: {name} has element with unexpected JSON type: {json_type(value)}")
    so_far = feature.WhichOneof("kind")
    if so_far not in (None, kind):
        raise invalid(f"Unexpected element type in feature: {name} expecting type: {so_far.removesuffix('_list')}")
    if isinstance(value, dict):
        value = decoded(value)
    elif isinstance(value, str):
        value = value.encode()
    else:
        value = lossless(value, "float") if isinstance(value, float) else int(value)
    getattr(feature, kind).value.append(value)
