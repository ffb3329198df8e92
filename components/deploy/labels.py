"""What `models.config` says of one model, and its next state: written whole, over what was read, and only by whom it agrees with.

The file is the one truth: servers that start read it, running ones are told of it. A model that it loads by its labels has

  stable     what clients get; always a version that has passed, in every state of a roll-out
  canary     the version that is being tried; gone when the roll-out has ended
  previous   what was stable before; kept loaded, so that a label can move back at once

and loads exactly the versions that a label points to, and the one that is about to get one. Labels of other names, other models and
a `base_path` that is there (servers may see the repository elsewhere) stay as they are. A model without versions is not in the
config, as a server would wait for it; what its entry said besides is kept in `<model>/.entry`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from components.common import exchange
from components.common.errors import UserError
from components.common.repository import CANARY, PREVIOUS, STABLE
from serving.client.labels import read_config, write_config
from serving.client.messages.tf_serving_pb2 import ModelConfig, ModelServerConfig

PLATFORM = "tensorflow"
ENTRY = ".entry"


class MovedError(UserError):
    """Someone else has changed what the config says of this model."""


@dataclass(frozen=True)
class State:
    """`labels` by name, and the `versions` that are loaded; `pinned` says whether a config is there and does not leave it to
    servers which versions these are (by TF Serving's default the newest)."""

    labels: Mapping[str, int] = field(default_factory=dict)
    versions: frozenset[int] = frozenset()
    pinned: bool = field(default=False, compare=False)

    @property
    def stable(self) -> int | None:
        return self.labels.get(STABLE)

    @property
    def canary(self) -> int | None:
        return self.labels.get(CANARY)

    @property
    def previous(self) -> int | None:
        return self.labels.get(PREVIOUS)

    def moved(self, *, load: int | None = None, **labels: int | None) -> Self:
        """The state with `labels` pointing elsewhere, None for nowhere; it loads what labels point to, and `load`."""
        pointed = {name: version for name, version in {**self.labels, **labels}.items() if version is not None}
        versions = {*pointed.values(), *([] if load is None else [load])}
        return type(self)(pointed, frozenset(versions), pinned=True)


class Labels:
    """The labels of `model` in the config at address `uri`; a model that is not there yet has `base_path`.

    Attributes:
        state: what the config said when it was read or written last.
    """

    def __init__(self, uri: str, model: str, base_path: str):
        """Reads the config.

        Raises:
            UserError: it cannot be read, or is none.
        """
        self._uri, self._model, self._base_path = uri, model, base_path
        seen = exchange.read(uri)
        self.state = self._state(self._read(seen))
        if not seen.generation:
            self.state = replace(self.state, pinned=False)

    def move(self, to: State) -> ModelServerConfig:
        """Writes `to` over `state`, whole, and returns the whole config. What else the config says may have changed meanwhile.

        Raises:
            MovedError: it says something else of this model by now.
            UserError: it cannot be written.
        """
        while True:
            seen = exchange.read(self._uri)
            config = self._read(seen)
            if (now := self._state(config)) != self.state:
                raise MovedError(
                    f"{self._uri}: expected the labels of {self._model} as this deploy left them ({_words(self.state)}), found "
                    f"({_words(now)}): someone else has moved them; deploy again"
                )
            self._write_into(config, to)
            if exchange.write(self._uri, write_config(config).encode(), seen):
                self.state = to
                return config

    def config(self) -> ModelServerConfig:
        """The whole config as it is now."""
        return self._read(exchange.read(self._uri))

    def _read(self, seen: exchange.Snapshot) -> ModelServerConfig:
        config = read_config(seen.content.decode("utf-8", "replace"), self._uri)
        config.model_config_list.SetInParent()  # an empty list is a list, which servers ask for
        return config

    def _state(self, config: ModelServerConfig) -> State:
        for entry in config.model_config_list.config:
            if entry.name == self._model:
                policy = entry.model_version_policy
                return State(dict(entry.version_labels), frozenset(policy.specific.versions), pinned=policy.HasField("specific"))
        return State(pinned=True)

    def _write_into(self, config: ModelServerConfig, to: State) -> None:
        entries = config.model_config_list.config
        entry = next((entry for entry in entries if entry.name == self._model), None)
        if not to.versions:
            if entry is not None:
                self._keep(entry)
                entries.remove(entry)
            return
        if entry is None:
            entry = entries.add()
            entry.CopyFrom(self._kept())
        del entry.model_version_policy.specific.versions[:]
        entry.model_version_policy.specific.versions.extend(sorted(to.versions))
        entry.version_labels.clear()
        entry.version_labels.update(to.labels)

    def _keep(self, entry: ModelConfig) -> None:
        kept = ModelServerConfig()
        kept.model_config_list.config.append(entry)
        kept.model_config_list.config[0].ClearField("model_version_policy")
        kept.model_config_list.config[0].ClearField("version_labels")
        if kept.model_config_list.config[0] != self._kept():
            uri = f"{self._base_path}/{ENTRY}"
            exchange.write(uri, write_config(kept).encode(), exchange.read(uri))

    def _kept(self) -> ModelConfig:
        """The entry, but for its versions, as it was when it left the config, or a new one."""
        uri = f"{self._base_path}/{ENTRY}"
        kept = read_config(exchange.read(uri).content.decode("utf-8", "replace"), uri).model_config_list.config
        return kept[0] if kept else ModelConfig(name=self._model, base_path=self._base_path, model_platform=PLATFORM)


def _words(state: State) -> str:
    return ", ".join(f"{label} {version}" for label, version in sorted(state.labels.items())) or "none"
