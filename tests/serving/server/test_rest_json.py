"""REST's JSON against TF Serving's own examples: those of its documentation (`g3doc/api_rest.md`) and its rules."""

import json
import math

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow.core.protobuf.meta_graph_pb2 import TensorInfo
from tensorflow_serving.apis.classification_pb2 import ClassificationResult
from tensorflow_serving.apis.input_pb2 import Input
from tensorflow_serving.apis.regression_pb2 import RegressionResult

from serving.server import rest_answers, rest_json
from serving.server.errors import RequestError
from serving.server.rest_examples import read_examples
from serving.server.rest_tensors import read_tensors


def read(body: str, **declared: tf.DType) -> tuple[dict[str, list[object]], bool]:
    """The tensors read from `body` as nested lists."""
    inputs = {name: TensorInfo(dtype=dtype.as_datatype_enum) for name, dtype in declared.items()}
    tensors, by_rows = read_tensors(rest_json.parse(body.encode()), inputs)
    for name, tensor in tensors.items():
        assert tensor.dtype == inputs[name].dtype
    return {name: tf.make_ndarray(tensor).tolist() for name, tensor in tensors.items()}, by_rows


def refusal(body: str | bytes, **declared: tf.DType) -> str:
    inputs = {name: TensorInfo(dtype=dtype.as_datatype_enum) for name, dtype in declared.items()}
    with pytest.raises(RequestError) as caught:
        read_tensors(rest_json.parse(body if isinstance(body, bytes) else body.encode()), inputs)
    assert caught.value.code.name == "INVALID_ARGUMENT"
    return str(caught.value)


THREE = {"tag": tf.string, "signal": tf.int32, "sensor": tf.float32}
SENSORS = {"tag": [b"foo", b"bar"], "signal": [[1, 2, 3, 4, 5], [3, 4, 1, 2, 5]], "sensor": [[[1, 2], [3, 4]], [[4, 5], [6, 8]]]}


@pytest.mark.parametrize(
    ("body", "declared", "tensors", "by_rows"),
    [
        ('{"instances": ["foo", "bar", "baz"]}', {"x": tf.string}, {"x": [b"foo", b"bar", b"baz"]}, True),
        ('{"instances": [[[1, 2]], [[3, 4]]]}', {"x": tf.int64}, {"x": [[[1, 2]], [[3, 4]]]}, True),
        (
            """{"instances": [{"tag": "foo", "signal": [1, 2, 3, 4, 5], "sensor": [[1, 2], [3, 4]]},
                {"tag": "bar", "signal": [3, 4, 1, 2, 5], "sensor": [[4, 5], [6, 8]]}]}""",
            THREE,
            SENSORS,
            True,
        ),
        (
            """{"inputs": {"tag": ["foo", "bar"], "signal": [[1, 2, 3, 4, 5], [3, 4, 1, 2, 5]],
                "sensor": [[[1, 2], [3, 4]], [[4, 5], [6, 8]]]}}""",
            THREE,
            SENSORS,
            False,
        ),
        ('{"instances": [{"b64": "aGVsbG8="}, {"b64": "d29ybGQ="}]}', {"x": tf.string}, {"x": [b"hello", b"world"]}, True),
        ('{"instances": [[{"b64": "aGVsbG8="}], ["a"]]}', {"x": tf.string}, {"x": [[b"hello"], [b"a"]]}, True),
        ('{"instances": [{"x": {"b64": "aGVsbG8"}}]}', {"x": tf.string}, {"x": [b"hello"]}, True),
        ('{"inputs": {"b64": "aGVs\\nbG8="}}', {"x": tf.string}, {"x": b"hello"}, False),
        ('{"inputs": {"x": [true, false]}}', {"x": tf.bool}, {"x": [True, False]}, False),
        ('{"inputs": {"x": [], "unknown": 1}}', {"x": tf.string}, {"x": []}, False),
        ('{"inputs": 3}', {"x": tf.uint8}, {"x": 3}, False),
        ('{"inputs": [18446744073709551615]}', {"x": tf.uint64}, {"x": [2**64 - 1]}, False),
        ('{"instances": [1, 2.5, 16777215, -Infinity]}', {"x": tf.float32}, {"x": [1.0, 2.5, 16777215.0, -math.inf]}, True),
        ('{"instances": [9007199254740991, 1e300]}', {"x": tf.float64}, {"x": [2.0**53 - 1, 1e300]}, True),
        ('\ufeff{"instances": ["é\\ud83d\\ude97"]}', {"x": tf.string}, {"x": ["é🚗".encode()]}, True),
    ],
)
def test_tensors_of_both_formats(body: str, declared: dict[str, tf.DType], tensors: dict[str, object], by_rows: bool) -> None:
    assert read(body, **declared) == (tensors, by_rows)


def test_not_a_number() -> None:
    (value,) = read('{"instances": [NaN]}', x=tf.float32)[0]["x"]
    assert math.isnan(value)


ONE, BOTH, TEXT = {"x": tf.int32}, {"x": tf.int32, "y": tf.int32}, {"x": tf.string}


@pytest.mark.parametrize(
    ("body", "declared", "message"),
    [
        ("", ONE, "JSON Parse error: The document is empty"),
        ("instances = [1, 2]", ONE, "JSON Parse error: Invalid value. at offset: 0"),
        ('{"é": 1}}', ONE, "JSON Parse error: The document root must not be followed by other values. at offset: 9"),
        ('{"a" 1}', ONE, "JSON Parse error: Missing a colon after a name of object member. at offset: 5"),
        ('{"a": "', ONE, "JSON Parse error: Missing a closing quotation mark in string. at offset: 6"),
        ("[1]", ONE, "JSON Value: [\n    1\n] Is not object"),
        ("{}", ONE, "Missing 'inputs' or 'instances' key"),
        ('{"instances": [1], "inputs": [1]}', ONE, "expecting only one of 'inputs' or 'instances' keys to exist "),
        ('{"instances": 1}', ONE, "Excepting 'instances' to be an list/array"),
        ('{"instances": []}', ONE, "No values in 'instances' array"),
        ('{"signature_name": 5, "instances": [1]}', {}, "'signature_name' key must be a string value."),
        ('{"instances": [1]}', {}, "Failed to get input map for signature: DEFAULT"),
        ('{"instances": [[1, 2], [5, 6, 7]]}', ONE, "Error: INVALID_ARGUMENT: Expecting tensor size: 2 but got: 3"),
        ('{"instances": [[1, 2], [[5, 6]]]}', ONE, "Expecting shape [2] but got: [1,2]"),
        ('{"instances": [1, [1]]}', ONE, "Expecting shape [] but got: [1]"),
        ('{"instances": [[1], ["a"]]}', ONE, 'JSON Value: "a" Type: String is not of expected type: int32'),
        ('{"instances": [1.5]}', ONE, "JSON Value: 1.5 Type: Number is not of expected type: int32"),
        ('{"instances": [true]}', ONE, "JSON Value: true Type: True is not of expected type: int32"),
        ('{"instances": [null]}', TEXT, "JSON Value: null Type: Null is not of expected type: string"),
        ('{"instances": [2147483648]}', ONE, "Type: Number is not of expected type: int32"),
        ('{"instances": [1.7e308]}', {"x": tf.float32}, "to float without loss of precision."),
        ('{"instances": [16777217]}', {"x": tf.float32}, "Cannot convert JSON value: 16777217 to float without loss"),
        ('{"instances": [9007199254740993]}', {"x": tf.float64}, "to double without loss of precision."),
        ('{"instances": [[1, [2]]]}', ONE, "Encountered list at unexpected level: 1 expected < 1"),
        ('{"inputs": [[1], 2]}', ONE, "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. Expected at level: 2"),
        ('{"inputs": [[1], [2, 3]]}', ONE, "Encountered list at unexpected size: 2 at level: 1 expected size: 1"),
        ('{"inputs": {"y": 1}}', ONE, "Missing named input: x in 'inputs' object."),
        ('{"inputs": [1]}', BOTH, "inputs is a plain value/list, but expecting an object"),
        ('{"instances": [1]}', BOTH, "instances is a plain list, but expecting list of objects"),
        ('{"instances": [{"x": 1, "y": 2}, 3]}', BOTH, "Expecting object but got list at item 1 of input list"),
        ('{"instances": [1, {"x": 2}]}', ONE, "Expecting value/list but got object at item 1 of input list"),
        ('{"instances": [{"x": 1}]}', BOTH, "keys must be equal to: x,y"),
        ('{"instances": [{"z": 1}]}', ONE, "process element: 0 key: z of 'instances' list. Error: "),
        ('{"instances": [["a", {"b64": 1}]]}', TEXT, "not formatted correctly for base64 data"),
        ('{"instances": [{"b64": "aGVs-G8="}]}', TEXT, "Unable to base64 decode"),
        ('{"instances": [{"b64": "aGVsbG8="}]}', ONE, "Type: Object is not of expected type: int32"),
    ],
)  # fmt: skip
def test_what_is_refused(body: str, declared: dict[str, tf.DType], message: str) -> None:
    assert message in refusal(body, **declared)


def test_an_input_named_b64_is_no_bytes() -> None:
    body = '{"instances": [{"b64": "aGVsbG8=", "c": 1}]}'
    assert read(body, b64=tf.string, c=tf.int32)[0] == {"b64": [b"aGVsbG8="], "c": [1]}


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 1_000_000,
        b'{"instances": ' + b"[" * 500 + b"]" * 500 + b"}",
        b'{"instances": [1, ' + b'{"a": ' * 800 + b"1" + b"}" * 800 + b"]}",
        b'{"instances": [' + b"9" * 5000 + b"]}",
        b'{"instances": [' + b"9" * 400 + b"]}",
        b'{"instances": ["\\ud800"]}',
        b'{"instances": ["\xff"]}',
        b'{"inputs": {"b64": ' + b'"a' * 10,
    ],
)
def test_bodies_that_mean_harm(body: bytes) -> None:
    assert len(refusal(body, x=tf.float32)) < 1000


def test_a_type_without_json_is_unimplemented() -> None:
    with pytest.raises(RequestError, match="Conversion of JSON Value: 1 to type: complex64") as caught:
        read('{"inputs": [1]}', x=tf.complex64)
    assert caught.value.code.name == "UNIMPLEMENTED"


def test_a_long_value_is_cut_short_in_a_message() -> None:
    assert len(refusal(json.dumps({"instances": ["x" * 1_000_000]}), x=tf.int32)) < 1000


def test_examples_with_and_without_context() -> None:
    body = b"""{"examples": [{"names": ["foo", {"b64": "aGVsbG8="}], "ratings": [8.0, -Infinity], "age": 20, "none": []},
        {"mixed": [1, true, false]}]"""
    features = """examples { features {
        feature { key: "names" value { bytes_list { value: "foo" value: "hello" } } }
        feature { key: "ratings" value { float_list { value: 8 value: -inf } } }
        feature { key: "age" value { int64_list { value: 20 } } }
        feature { key: "none" value { } } } }
        examples { features { feature { key: "mixed" value { int64_list { value: 1 value: 1 value: 0 } } } } }"""
    assert read_examples(rest_json.parse(body + b"}")) == text_format.Parse(f"example_list {{ {features} }}", Input())
    context = 'context { features { feature { key: "q" value { bytes_list { value: "pizza" } } } } }'
    expected = text_format.Parse(f"example_list_with_context {{ {context} {features} }}", Input())
    assert read_examples(rest_json.parse(body + b', "context": {"q": "pizza"}}')) == expected


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{}", "key 'examples' is expected and was not found"),
        ('{"examples": {}}', "Expecting 'examples' value to be an list/array"),
        ('{"examples": []}', "'examples' value is an empty array"),
        ('{"examples": [[1]]}', "Example must be JSON object but got JSON Array"),
        ('{"examples": [{}], "context": 1}', "Example must be JSON object but got JSON Number"),
        ('{"examples": [{"a": [10, null]}]}', "Feature: a has element with unexpected JSON type: Null"),
        ('{"examples": [{"a": [10, 10.0]}]}', "Unexpected element type in feature: a expecting type: int64"),
        ('{"examples": [{"a": [10, {"t": 1}]}]}', "Feature: a has element with unexpected JSON type: Object"),
        ('{"examples": [{"a": [[10]]}]}', "Feature: a has element with unexpected JSON type: Array"),
        ('{"examples": [{"a": 18446744073709551603}]}', "Feature: a has uint64 element. Only int64 is supported."),
        ('{"examples": [{"a": 1.7e308}]}', "without loss of precision."),
    ],
)
def test_examples_that_are_refused(body: str, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_examples(rest_json.parse(body.encode()))
    assert (caught.value.code.name, message in str(caught.value)) == ("INVALID_ARGUMENT", True)


def tensors(**values: tf.Tensor) -> dict[str, TensorProto]:
    return {name: tf.make_tensor_proto(value) for name, value in values.items()}


@pytest.mark.parametrize(
    ("outputs", "by_rows", "answer"),
    [
        (tensors(y=tf.constant([2.5, 3.0, 4.5])), True, '{\n    "predictions": [2.5, 3.0, 4.5\n    ]\n}'),
        (tensors(y=tf.constant([2.5, 3.0, 4.5])), False, '{\n    "outputs": [2.5, 3.0, 4.5]\n}'),
        (tensors(y=tf.constant([[[1, 2], [3, 4]]])), True, '{"predictions": [[[1, 2], [3, 4]]]}'),
        (tensors(y=tf.constant(7)), False, '{"outputs": 7}'),
        (tensors(y=tf.constant([[], []])), True, '{"predictions": [[], []]}'),
        (tensors(y=tf.zeros((0, 2)), z=tf.zeros((0, 3, 4))), True, '{"predictions": []}'),
        (tensors(y=tf.constant([True, False])), True, '{"predictions": [true, false]}'),
        (tensors(y=tf.constant([[b"hello"], [b"\xff"]])), False, '{"outputs": [["hello"], ["\ufffd"]]}'),
        (tensors(y_bytes=tf.constant([b"hello", b"\xff\xfe"])), True, '{"predictions": [{"b64": "aGVsbG8="}, {"b64": "//4="}]}'),
        (
            tensors(y=tf.constant([9e6, 999999, 0.5, 0.0003, 3e-05, 555557.5, 0.1, math.nan, -math.inf, 3])),
            False,
            '{"outputs": [9e+06, 999999.0, 0.5, 0.0003, 3e-05, 555557.5, 0.1, NaN, -Infinity, 3.0]}',
        ),
        (tensors(y=tf.constant([0.1234567890123], tf.float64)), False, '{"outputs": [0.12345678901230001]}'),
        (tensors(y=tf.constant([1 / 3], tf.float32)), False, '{"outputs": [0.333333343]}'),
        (tensors(y=tf.constant([0.5], tf.float16)), False, '{"outputs": [0.5]}'),
        (
            tensors(s=tf.constant([["a\"\u20ac"], ["b"]]), i=tf.constant([[1, 2], [3, 4]])),
            True,
            '{"predictions": [{"i": [1, 2], "s": ["a\\"\u20ac"]}, {"i": [3, 4], "s": ["b"]}]}',
        ),
        (
            tensors(s=tf.constant([["a"], ["b"]]), i=tf.constant([5])),
            False,
            '{"outputs": {"i": [5], "s": [["a"], ["b"]]}}',
        ),
    ],
)  # fmt: skip
def test_answers(outputs: dict[str, TensorProto], by_rows: bool, answer: str) -> None:
    written = rest_answers.predictions(outputs, by_rows)
    if "\n" in answer:
        assert written == answer
    else:
        # Numbers as text: 3.0 must not become 3.
        plain = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)
        assert plain.decode(written) == plain.decode(answer)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({}, "Cannot convert empty tensor map to JSON"),
        (tensors(y=tf.constant([1 + 2j])), "Failed to write JSON value for tensor type: complex128"),
        (tensors(y=tf.constant(1)), "Tensor name: y has no shape information "),
        (tensors(a=tf.zeros((2, 3)), y=tf.zeros((1, 3))), "Tensor name: y has inconsistent batch size: 1 expecting: 2"),
    ],
)
def test_outputs_that_have_no_rows(outputs: dict[str, TensorProto], message: str) -> None:
    with pytest.raises(RequestError) as caught:
        rest_answers.predictions(outputs, by_rows=True)
    assert (caught.value.code.name, str(caught.value)) == ("INVALID_ARGUMENT", message)


@given(st.lists(st.floats(width=32), min_size=1, max_size=8), st.booleans())
def test_numbers_come_back_as_they_were(numbers: list[float], by_rows: bool) -> None:
    written = json.loads(rest_answers.predictions(tensors(y=tf.constant(numbers, tf.float32)), by_rows))
    np.testing.assert_array_equal(np.float32(written["predictions" if by_rows else "outputs"]), np.float32(numbers))


def test_answers_to_classify_and_regress() -> None:
    classified = text_format.Parse(
        'classifications { classes { label: "car" score: 0.2 } classes { score: 12 } } classifications { }', ClassificationResult()
    )
    assert json.loads(rest_answers.classifications(classified)) == {"results": [[["car", 0.2], ["", 12.0]], []]}
    regressed = text_format.Parse("regressions { value: 0.2 } regressions { value: 42 }", RegressionResult())
    assert json.loads(rest_answers.regressions(regressed)) == {"results": [0.2, 42.0]}
    with pytest.raises(RequestError, match="Cannot convert empty ClassificationResults to JSON"):
        rest_answers.classifications(ClassificationResult())
    with pytest.raises(RequestError, match="Cannot convert empty RegressionResults to JSON"):
        rest_answers.regressions(RegressionResult())


def test_an_error_is_json_whatever_it_says() -> None:
    assert json.loads(rest_answers.error('Bad key: "k"\n\x00é')) == {"error": 'Bad key: "k"\n\x00é'}
