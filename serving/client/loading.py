"""Versions loaded on one server: asked for by a config, and waited for."""

import time
from collections.abc import Callable, Collection, Sequence

import grpc

from components.common.errors import UserError
from serving.client.client import Client, VersionStatus
from serving.client.failures import CallError
from serving.client.messages.tf_serving_pb2 import ModelServerConfig

POLL_S = 0.1
AVAILABLE, END = "AVAILABLE", "END"


def load(
    client: Client, config: ModelServerConfig, versions: Collection[int], load_s: float, say: Callable[[str], None] | None = None
) -> None:
    """Has the server load `config` where one of its `versions` is not AVAILABLE there yet; returns when they all are.

    What it gets is without the labels to those: servers refuse a label to what they do not serve
    (tensorflow_serving/model_servers/server_core.cc, UpdateModelVersionLabelMap).

    Args:
        say: is told where there is something to wait for.

    Raises:
        UserError: the server is not there, refuses the config, or does not load a version within `load_s`.
    """
    until = time.monotonic() + load_s
    missing = set(versions) - {each.version for each in _status(client) if each.state == AVAILABLE}
    if missing:
        if say:
            names = ", ".join(map(str, sorted(missing)))
            say(f"{client.server}: waits for version {names} to be {AVAILABLE}, at most {load_s:g} s")
        client.reload(_without_labels_to(config, client.model, missing))
        _wait_for(client, missing, until)


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
        if error.code is not grpc.StatusCode.NOT_FOUND:
            raise
        return []


def _wait_for(client: Client, versions: set[int], until: float) -> None:
    while True:
        known = {each.version: each for each in _status(client)}
        states = {version: known[version].state if version in known else "unknown" for version in sorted(versions)}
        if set(states.values()) == {AVAILABLE}:
            return
        for version, state in states.items():
            if state == END and known[version].message:
                raise UserError(f"{client.server}: version {version} does not load: {known[version].message}")
        if time.monotonic() > until:
            late = ", ".join(f"version {version} {state}" for version, state in states.items() if state != AVAILABLE)
            raise UserError(f"{client.server}: expected versions to be {AVAILABLE} in time, found {late}")
        time.sleep(POLL_S)
