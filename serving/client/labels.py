"""Labels such as `stable` in a ModelServerConfig, the file `models.config`: which version each points to, and how one is moved.

A config that is given is never changed: a moved label is a new config, so that whoever holds the old one can go back to it.
"""

import re

from google.protobuf import text_format

from components.common.errors import UserError
from serving.client.messages.tf_serving_pb2 import ModelConfig, ModelServerConfig

# TF Serving's REST paths take any name without "/" and ":" (model_servers/http_rest_api_util.cc); these need no quoting either.
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def read_config(text: str, where: str = "the model config") -> ModelServerConfig:
    """The config that `text` says, in protobuf's text format. `where` is for the error.

    Raises:
        UserError: it is no ModelServerConfig.
    """
    try:
        return text_format.Parse(text, ModelServerConfig())
    except text_format.ParseError as error:
        raise UserError(f"{where}: expected a ModelServerConfig of TF Serving as text, received something else: {error}") from None


def write_config(config: ModelServerConfig) -> str:
    """`config` as text that TF Serving reads, and `read_config`; labels in the order of their names."""
    return text_format.MessageToString(config)


def label_of(config: ModelServerConfig, model: str, label: str) -> int | None:
    """The version that `label` of `model` points to, None where there is no such label or model."""
    for entry in config.model_config_list.config:
        if entry.name == model and label in entry.version_labels:
            return entry.version_labels[label]
    return None


def labels_of(config: ModelServerConfig, model: str) -> dict[int, list[str]]:
    """The labels of each labelled version of `model`, by name; none where there is no such model."""
    labels: dict[int, list[str]] = {}
    for entry in config.model_config_list.config:
        if entry.name == model:
            for label, version in sorted(entry.version_labels.items()):
                labels.setdefault(version, []).append(label)
    return labels


def with_version(config: ModelServerConfig, model: str, version: int) -> ModelServerConfig:
    """`config` with `version` among the loaded ones, where the policy names them; under any other policy, as it is.

    Raises:
        UserError: no such model.
    """
    changed = ModelServerConfig()
    changed.CopyFrom(config)
    policy = _entry(changed, model).model_version_policy
    if policy.HasField("specific") and version not in policy.specific.versions:
        policy.specific.versions.append(version)
    return changed


def with_label(config: ModelServerConfig, model: str, label: str, version: int | None) -> ModelServerConfig:
    """`config` with `label` of `model` pointing to `version`, which is loaded too; or without that label where `version` is None.

    Raises:
        UserError: no such model, no name for a label, or (to remove it) no such label.
    """
    if version is not None:
        if not _LABEL.fullmatch(label):
            raise UserError(f"expected a label of letters, digits, '.', '_' and '-', such as stable, received {label!r}")
        changed = with_version(config, model, version)
        _entry(changed, model).version_labels[label] = version
        return changed
    changed = ModelServerConfig()
    changed.CopyFrom(config)
    entry = _entry(changed, model)
    if label not in entry.version_labels:
        raise UserError(f"model {model!r}: expected one of its labels {sorted(entry.version_labels)}, received {label!r}")
    del entry.version_labels[label]
    return changed


def _entry(config: ModelServerConfig, model: str) -> ModelConfig:
    for entry in config.model_config_list.config:
        if entry.name == model:
            return entry
    names = [entry.name for entry in config.model_config_list.config]
    raise UserError(f"the model config: expected one of its models {names}, received {model!r}")
