"""All servers of a model: what moves, moves on each of them."""

from dataclasses import dataclass
from typing import Self

from components.common.errors import UserError
from serving.client.addresses import addresses_of
from serving.client.client import Client
from serving.client.loading import load
from serving.client.messages.tf_serving_pb2 import ModelServerConfig


@dataclass(frozen=True)
class Fleet:
    """The `servers` of `model`, each as `host:port`."""

    servers: tuple[str, ...]
    model: str

    @classmethod
    def of(cls, servers: str, model: str) -> Self:
        """The servers that `servers` means, see `addresses_of`.

        Raises:
            UserError: as `addresses_of`.
        """
        return cls(addresses_of(servers), model)

    def apply(self, config: ModelServerConfig, load_s: float) -> None:
        """Has one server after the other load what `config` says, then gives it its labels; returns when all of it is there.

        Raises:
            UserError: a server is not there, refuses the config, or does not load a version within `load_s`.
        """
        for server in self.servers:
            # TF Serving answers a reload when the models that are new to it are loaded.
            with Client(server, self.model, deadline_s=load_s) as client:
                load(client, config, _versions(config, self.model), load_s)
                client.reload(config)

    def set_back(self, config: ModelServerConfig, load_s: float) -> list[str]:
        """`apply` on every server, whatever others do; the reasons where it failed. They read the config when they start."""
        problems = []
        for server in self.servers:
            try:
                Fleet((server,), self.model).apply(config, load_s)
            except UserError as error:
                problems.append(str(error))
        return problems


def _versions(config: ModelServerConfig, model: str) -> set[int]:
    entries = [entry for entry in config.model_config_list.config if entry.name == model]
    return {version for entry in entries for version in entry.model_version_policy.specific.versions}
