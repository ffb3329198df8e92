"""All servers of a model: what moves, moves on each of them.

A name that stands for several addresses (a headless service of Kubernetes) stands for all of them; of a machine with addresses of
both kinds, those of IPv4 count.
"""

import socket
from dataclasses import dataclass
from typing import Self

from components.common.errors import UserError
from serving.client.client import Client
from serving.client.connection import Connection
from serving.client.loading import load
from serving.client.messages.tf_serving_pb2 import ModelServerConfig


@dataclass(frozen=True)
class Fleet:
    """The `servers` of `model`, each as `host:port`."""

    servers: tuple[str, ...]
    model: str

    @classmethod
    def of(cls, servers: str, model: str) -> Self:
        """The servers in `servers`, a list with commas of `host:port`, "" for none.

        Raises:
            UserError: no `host:port`, or a host that is unknown.
        """
        names = [name.strip() for name in servers.split(",") if name.strip()]
        return cls(tuple(dict.fromkeys(address for name in names for address in _addresses(name))), model)

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


def _addresses(name: str) -> list[str]:
    Connection(name)  # says what an address is
    host, _, port = name.rpartition(":")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except OSError as error:
        raise UserError(f"servers: expected the address of a server, received {name!r}: {error.strerror}") from None
    by_kind = {kind: [each[4][0] for each in found if each[0] == kind] for kind in (socket.AF_INET, socket.AF_INET6)}
    addresses = [f"{ip}:{port}" for ip in by_kind[socket.AF_INET]] or [f"[{ip}]:{port}" for ip in by_kind[socket.AF_INET6]]
    return sorted(set(addresses)) if len(set(addresses)) > 1 else [name]


def _versions(config: ModelServerConfig, model: str) -> set[int]:
    entries = [entry for entry in config.model_config_list.config if entry.name == model]
    return {version for entry in entries for version in entry.model_version_policy.specific.versions}
