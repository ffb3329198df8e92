"""All servers of a model: what moves, moves on each of them.

A name that stands for several addresses (a headless service of Kubernetes) stands for all of them; of a machine with addresses of
both kinds, those of IPv4 count.
"""

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import grpc

from components.common.errors import UserError
from serving.client.client import Client, VersionStatus
from serving.client.connection import Connection
from serving.client.failures import CallError
from serving.client.messages.tf_serving_pb2 import ModelServerConfig

POLL_S = 0.1
RELOAD_S = 120.0
"""TF Serving answers a reload when the models that are new to it are loaded."""
AVAILABLE, END = "AVAILABLE", "END"


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
        """Has every server load what `config` says, then gives it its labels; returns when all of it is there.

        Labels come last, as servers refuse one to a version that is not loaded.

        Raises:
            UserError: a server is not there, refuses the config, or does not load a version within `load_s`.
        """
        until = time.monotonic() + load_s
        for server in self.servers:
            with Client(server, self.model, deadline_s=RELOAD_S) as client:
                missing = _versions(config, self.model) - {each.version for each in _status(client) if each.state == AVAILABLE}
                if missing:
                    client.reload(_without_labels_to(config, self.model, missing))
                    _wait_for(client, missing, until, server)
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


def _without_labels_to(config: ModelServerConfig, model: str, missing: set[int]) -> ModelServerConfig:
    reduced = ModelServerConfig()
    reduced.CopyFrom(config)
    for entry in reduced.model_config_list.config:
        if entry.name == model:
            for label in [label for label, version in entry.version_labels.items() if version in missing]:
                del entry.version_labels[label]
    return reduced


def _status(client: Client) -> Sequence[VersionStatus]:
    """What the server knows of the model; nothing, where it knows none of that name."""
    try:
        return client.status()
    except CallError as error:
        if error.code != grpc.StatusCode.NOT_FOUND:
            raise
        return []


def _wait_for(client: Client, versions: set[int], until: float, server: str) -> None:
    while True:
        states = {each.version: each for each in _status(client) if each.version in versions}
        if all(version in states and states[version].state == AVAILABLE for version in versions):
            return
        for version, each in states.items():
            if each.state == END and each.message:
                raise UserError(f"{server}: version {version} does not load: {each.message}")
        if time.monotonic() > until:
            late = {version: states[version].state if version in states else "unknown" for version in sorted(versions)}
            raise UserError(f"{server}: expected versions to be {AVAILABLE} in time, they are {late}")
        time.sleep(POLL_S)
