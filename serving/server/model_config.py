"""TF Serving's ModelServerConfig, checked: which models to serve from where, which of their versions, and what their labels mean.

Texts and codes follow TF Serving's `server_core.cc` (ValidateModelConfigList, GetPlatform, ReloadConfig).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf import text_format
from tensorflow_serving.config.model_server_config_pb2 import ModelConfig, ModelServerConfig

from components.common.errors import UserError
from serving.server.errors import RequestError, invalid

PLATFORM = "tensorflow"


@dataclass(frozen=True)
class Policy:
    """Which of the versions there are to serve: the `latest` n, the `specific` ones, or all (neither given)."""

    latest: int = 0
    specific: frozenset[int] = frozenset()

    def choose(self, versions: Iterable[int]) -> set[int]:
        """The versions to serve out of those there are."""
        found = sorted(versions)
        if self.latest:
            return set(found[-self.latest :])
        return set(found) & self.specific if self.specific else set(found)


@dataclass(frozen=True)
class Model:
    """One model to serve: `base_path` holds its versions and is a local folder or a gs:// address."""

    name: str
    base_path: str
    policy: Policy = Policy(latest=1)
    labels: Mapping[str, int] = field(default_factory=dict)


Models = dict[str, Model]


def read_config(path: Path) -> tuple[Models, str]:
    """The models that a config file lists, by name, and the file's text.

    Raises:
        UserError: no such file, or not a valid ModelServerConfig as text.
    """
    try:
        text = path.read_text("utf-8")
        return parse_config(text), text
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: expected a model config file, cannot read it: {error}") from None
    except RequestError as error:
        raise UserError(f"{path}: expected a model config file (ModelServerConfig as text): {error}") from None


def parse_config(text: str) -> Models:
    """The models of a config as text.

    Raises:
        RequestError: INVALID_ARGUMENT, not a ModelServerConfig or not a valid one.
    """
    try:
        config = text_format.Parse(text, ModelServerConfig())
    except text_format.ParseError as error:
        raise invalid(f"Invalid protobuf text: {error}") from None
    return check_config(config)


def check_config(config: ModelServerConfig) -> Models:
    """The models of a config.

    Raises:
        RequestError: INVALID_ARGUMENT, a model twice, a relative path, another platform than TensorFlow...
    """
    if config.WhichOneof("config") != "model_config_list":
        raise invalid(
            "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently supported"
        )
    models: Models = {}
    for model in config.model_config_list.config:
        if model.name in models:
            raise invalid(f"Illegal to list model {model.name} multiple times in config list")
        models[model.name] = _model(model)
    return models


def _model(config: ModelConfig) -> Model:
    if not config.name:
        raise invalid("Expected every model in the config list to have a name")
    if not config.base_path.startswith(("/", "gs://")):
        raise invalid(f"Expected model {config.name} to have an absolute path or URI; got base_path()={config.base_path}")
    platform = config.model_platform or (PLATFORM if config.model_type == 1 else "")
    if not platform:
        raise invalid("Illegal setting neither ModelServerConfig::model_type (deprecated) nor ModelServerConfig::model_platform.")
    if platform != PLATFORM:
        raise invalid(f"Model {config.name} requests unsupported platform {platform}")
    return Model(config.name, config.base_path, _policy(config), dict(config.version_labels))


def _policy(config: ModelConfig) -> Policy:
    policy = config.model_version_policy
    kind = policy.WhichOneof("policy_choice")
    if kind == "all":
        return Policy()
    if kind == "specific":
        if not policy.specific.versions:
            raise invalid(f"Expected model {config.name} to list versions in its specific policy")
        return Policy(specific=frozenset(policy.specific.versions))
    return Policy(latest=max(policy.latest.num_versions, 1))
