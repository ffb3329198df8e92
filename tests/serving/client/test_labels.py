"""Labels in models.config: read, moved, removed and written; the text is what TF Serving reads."""

import pytest
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from components.common.errors import UserError
from serving.client.labels import label_of, labels_of, read_config, with_label, write_config

TEXT = """
model_config_list {
  config {
    name: "marque" base_path: "/models/marque" model_platform: "tensorflow"
    model_version_policy { specific { versions: 3 versions: 4 } }
    version_labels { key: "stable" value: 3 }
  }
  config { name: "other" base_path: "/models/other" }
}
"""


def test_a_label_moves_and_the_old_config_stays() -> None:
    before = read_config(TEXT)
    after = with_label(before, "marque", "stable", 4)
    assert (label_of(before, "marque", "stable"), label_of(after, "marque", "stable")) == (3, 4)
    assert labels_of(with_label(after, "marque", "canary", 4), "marque") == {4: ["canary", "stable"]}
    assert after.model_config_list.config[1] == before.model_config_list.config[1]


def test_a_version_that_was_not_loaded_is_loaded_too() -> None:
    after = with_label(read_config(TEXT), "marque", "canary", 5)
    assert list(after.model_config_list.config[0].model_version_policy.specific.versions) == [3, 4, 5]
    assert not with_label(after, "other", "stable", 1).model_config_list.config[1].HasField("model_version_policy")


def test_a_label_is_removed() -> None:
    after = with_label(read_config(TEXT), "marque", "stable", None)
    assert label_of(after, "marque", "stable") is None
    with pytest.raises(UserError, match=r"expected one of its labels \[\], received 'stable'"):
        with_label(after, "marque", "stable", None)


def test_what_is_not_there() -> None:
    config = read_config(TEXT)
    assert label_of(config, "marque", "canary") is None
    assert label_of(config, "none", "stable") is None
    assert labels_of(config, "none") == {}
    with pytest.raises(UserError, match=r"expected one of its models \['marque', 'other'\], received 'none'"):
        with_label(config, "none", "stable", 3)


@pytest.mark.parametrize("label", ["", "a b", "\x1b[31mred", "a/b", "a:b", "-a", "stable\n", "é"])
def test_what_no_address_could_name_is_no_label(label: str) -> None:
    with pytest.raises(UserError, match=r"expected a label of letters, digits, .*, received '") as caught:
        with_label(read_config(TEXT), "marque", label, 4)
    assert str(caught.value).isprintable()


def test_tf_serving_reads_what_is_written() -> None:
    text = write_config(with_label(with_label(read_config(TEXT), "marque", "stable", 4), "marque", "canary", 5))
    reference = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    assert dict(reference.model_config_list.config[0].version_labels) == {"stable": 4, "canary": 5}
    assert text_format.MessageToString(reference) == text
    assert read_config(text_format.MessageToString(reference)) == read_config(text)
    assert text.index("canary") < text.index("stable")


@pytest.mark.parametrize("text", ["model_config_list {", "no config", "model_config_list { config { nmae: 'x' } }", "\0"])
def test_what_is_no_config_is_one_line(text: str) -> None:
    with pytest.raises(UserError, match=r"models\.config: expected a ModelServerConfig") as caught:
        read_config(text, "models.config")
    assert "\n" not in str(caught.value)


def test_an_empty_config_has_no_models() -> None:
    assert write_config(read_config("")) == ""
