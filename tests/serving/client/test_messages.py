"""The client's own messages against those of tensorflow-serving-api: the same fields, the same bytes, the same text."""

from pathlib import Path

import pytest
from google.protobuf import text_format
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, FileDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.unknown_fields import UnknownFieldSet
from hypothesis import given
from hypothesis import strategies as st
from tensorflow.core.framework import tensor_pb2
from tensorflow.core.protobuf import error_codes_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_pb2,
    predict_pb2,
    prediction_service_pb2,
)
from tensorflow_serving.config import model_server_config_pb2

from serving.client.messages import generate
from serving.client.messages import tf_serving_pb2 as ours


def messages_of(file: FileDescriptor) -> dict[str, Descriptor]:
    """The messages of a .proto and of all that it imports, by their names."""
    imported = [messages_of(other) for other in file.dependencies]
    return {name: kind for messages in (*imported, file.message_types_by_name) for name, kind in messages.items()}


REFERENCES = {
    name: kind
    for module in (prediction_service_pb2, get_model_status_pb2, model_management_pb2)
    for name, kind in messages_of(module.DESCRIPTOR).items()
}
LEFT_OUT = {
    "TensorProto": {"resource_handle_val", "variant_val"},
    "PredictRequest": {"predict_streamed_options", "client_id", "request_options"},
}
MESSAGES = list(ours.DESCRIPTOR.message_types_by_name)


def scalar(field: FieldDescriptor) -> st.SearchStrategy[object]:
    whole = {field.CPPTYPE_INT32: (-(1 << 31), (1 << 31) - 1), field.CPPTYPE_INT64: (-(1 << 63), (1 << 63) - 1)}
    whole |= {field.CPPTYPE_UINT32: (0, (1 << 32) - 1), field.CPPTYPE_UINT64: (0, (1 << 64) - 1)}
    if field.cpp_type in whole:
        return st.integers(*whole[field.cpp_type])
    return {
        field.CPPTYPE_BOOL: st.booleans(),
        field.CPPTYPE_FLOAT: st.floats(width=32, allow_nan=False),
        field.CPPTYPE_DOUBLE: st.floats(allow_nan=False),
        field.CPPTYPE_ENUM: st.sampled_from([value.number for value in field.enum_type.values]) if field.enum_type else st.none(),
        field.CPPTYPE_STRING: st.binary(max_size=9) if field.type == field.TYPE_BYTES else st.text(max_size=9),
    }[field.cpp_type]


@st.composite
def filled(draw: st.DrawFn, kind: Descriptor) -> Message:
    """A message of our `kind` with any of its fields set to anything."""
    message = GetMessageClass(kind)()
    for field in kind.fields:
        if not draw(st.booleans()):
            continue
        inner = field.message_type
        count = range(draw(st.integers(0, 3)))
        if inner and inner.GetOptions().map_entry:
            for _ in count:
                key, value = draw(scalar(inner.fields_by_name["key"])), inner.fields_by_name["value"]
                if value.message_type:
                    getattr(message, field.name)[key].CopyFrom(draw(filled(value.message_type)))
                else:
                    getattr(message, field.name)[key] = draw(scalar(value))
        elif field.is_repeated:
            getattr(message, field.name).extend(draw(filled(inner) if inner else scalar(field)) for _ in count)
        elif inner:
            getattr(message, field.name).CopyFrom(draw(filled(inner)))
            getattr(message, field.name).SetInParent()
        else:
            setattr(message, field.name, draw(scalar(field)))
    return message


def same_bytes(message: Message) -> None:
    """`message`, one of ours, read and written by the reference and back: the same bytes each time."""
    sent = message.SerializeToString(deterministic=True)
    reference = GetMessageClass(REFERENCES[message.DESCRIPTOR.name]).FromString(sent)
    assert not UnknownFieldSet(reference), "the reference does not know what we wrote"
    back = reference.SerializeToString(deterministic=True)
    assert back == sent
    again = type(message).FromString(back)
    assert again == message
    assert again.SerializeToString(deterministic=True) == sent


def shape_of(field: FieldDescriptor) -> tuple[object, ...]:
    kind = field.message_type or field.enum_type
    packed = field.is_packed if field.is_repeated else None
    oneof = field.containing_oneof.name if field.containing_oneof else None
    return field.name, field.number, field.type, field.is_repeated, packed, oneof, field.has_presence, kind.name if kind else None


def compare(mine: Descriptor, reference: Descriptor) -> None:
    left_out = LEFT_OUT.get(mine.name, set())
    assert [shape_of(field) for field in sorted(mine.fields, key=lambda field: field.number)] == [
        shape_of(field) for field in sorted(reference.fields, key=lambda field: field.number) if field.name not in left_out
    ]
    for inner in mine.nested_types:
        compare(inner, reference.nested_types_by_name[inner.name])
    for enum in mine.enum_types:
        compare_values(enum, reference.enum_types_by_name[enum.name])


def compare_values(mine: EnumDescriptor, reference: EnumDescriptor) -> None:
    known = {value.name: value.number for value in reference.values}
    assert {value.name: known.get(value.name) for value in mine.values} == {value.name: value.number for value in mine.values}


@pytest.mark.parametrize("name", MESSAGES)
def test_fields_are_the_references(name: str) -> None:
    if name == "FileSystemStoragePathSourceConfig":
        policy = ours.FileSystemStoragePathSourceConfig.ServableVersionPolicy.DESCRIPTOR
        compare(policy, REFERENCES["ModelConfig"].fields_by_name["model_version_policy"].message_type)
    else:
        compare(ours.DESCRIPTOR.message_types_by_name[name], REFERENCES[name])


def test_enums_are_the_references() -> None:
    compare_values(ours.DESCRIPTOR.enum_types_by_name["Code"], error_codes_pb2.Code.DESCRIPTOR)
    compare_values(ours.DESCRIPTOR.enum_types_by_name["DataType"], REFERENCES["TensorProto"].fields_by_name["dtype"].enum_type)
    compare_values(ours.DESCRIPTOR.enum_types_by_name["ModelType"], model_server_config_pb2.ModelType.DESCRIPTOR)


@given(st.data())
def test_any_message_has_the_same_bytes(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([name for name in MESSAGES if name != "FileSystemStoragePathSourceConfig"]))
    same_bytes(data.draw(filled(ours.DESCRIPTOR.message_types_by_name[name])))


def test_what_we_do_not_know_is_passed_on() -> None:
    reference = predict_pb2.PredictRequest(client_id=b"me")
    reference.request_options.max_cache_length = 7
    reference.inputs["x"].resource_handle_val.add(name="table")
    passed_on = ours.PredictRequest.FromString(reference.SerializeToString()).SerializeToString()
    assert predict_pb2.PredictRequest.FromString(passed_on) == reference


def test_a_type_we_have_no_name_for_keeps_its_number() -> None:
    reference = tensor_pb2.TensorProto(dtype=14, float8_val=b"\x01")
    assert ours.TensorProto.FromString(reference.SerializeToString()).dtype == 14


CONFIG = """
model_config_list {
  config {
    name: "marque"
    base_path: "gs://bucket/it's a \\"repository\\"/marque"
    model_platform: "tensorflow"
    model_version_policy { specific { versions: 3 versions: 4 } }
    version_labels { key: "stable" value: 3 }
    version_labels { key: "canary" value: 4 }
    logging_config { log_collector_config { type: "file" filename_prefix: "/log" } sampling_config { sampling_rate: 0.01 } }
  }
  config { name: "other" model_type: TENSORFLOW model_version_policy { latest { num_versions: 2 } } }
  config { name: "third" model_version_policy { all {} } }
}
"""


def test_the_text_of_a_config_reads_both_ways() -> None:
    reference = text_format.Parse(CONFIG, model_server_config_pb2.ModelServerConfig())
    mine = text_format.Parse(CONFIG, ours.ModelServerConfig())
    written = text_format.MessageToString(mine)
    assert written == text_format.MessageToString(reference)
    assert text_format.Parse(written, model_server_config_pb2.ModelServerConfig()) == reference
    assert mine.SerializeToString(deterministic=True) == reference.SerializeToString(deterministic=True)


def test_a_spec_holds_a_version_or_a_label() -> None:
    mine, reference = ours.ModelSpec(name="m"), model_pb2.ModelSpec(name="m")
    for spec in (mine, reference):
        spec.version.value = 0
    assert mine.HasField("version")
    assert mine.SerializeToString() == reference.SerializeToString()
    for spec in (mine, reference):
        spec.version_label = "canary"
    assert not mine.HasField("version")
    assert mine.SerializeToString() == reference.SerializeToString()


def test_metadata_is_read() -> None:
    reference = get_model_metadata_pb2.GetModelMetadataResponse()
    reference.metadata["signature_def"].Pack(get_model_metadata_pb2.SignatureDefMap())
    mine = ours.GetModelMetadataResponse.FromString(reference.SerializeToString())
    assert mine.metadata["signature_def"].type_url == "type.googleapis.com/tensorflow.serving.SignatureDefMap"


def test_generated_again_it_is_the_same(tmp_path: Path) -> None:
    """Whatever the version of the compiler that writes itself into the file."""
    for path in generate.generate(tmp_path):
        committed = generate.ROOT / path.relative_to(tmp_path)
        assert _without_version(path) == _without_version(committed), f"{committed.name}: run make messages"


def _without_version(path: Path) -> list[str]:
    lines = path.read_text("utf-8").splitlines()
    return [line for line in lines if not line.startswith("# Protobuf Python Version") and not line.strip(" ,").isdecimal()]
