"""A label moved on all servers of a model, or on none.

A version is loaded first and the label moved when it is AVAILABLE everywhere: servers refuse a label to what they do not serve
(tensorflow_serving/model_servers/server_core.cc, UpdateModelVersionLabelMap).
"""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import grpc

from components.common import storage
from components.common.errors import UserError
from components.common.repository import CONFIG
from components.common.whole import whole_file
from serving.client.client import Client
from serving.client.failures import CallError
from serving.client.labels import read_config, with_label, with_version, write_config
from serving.client.messages.tf_serving_pb2 import ModelServerConfig

POLL_S = 0.2


def move_label(
    clients: Sequence[Client], config: ModelServerConfig, model: str, label: str, version: int | None, wait_s: float
) -> ModelServerConfig:
    """Has every server load `version` and point `label` of `model` to it (None: forget the label); returns their config then.

    Args:
        config: what the servers have now, and are set back to where anything fails.
        wait_s: for the version to be AVAILABLE.

    Raises:
        UserError: no such model or label; a server is not there, refuses, or does not load the version in time.
    """
    after = with_label(config, model, label, version)
    loaded = config if version is None else with_version(config, model, version)
    asked: list[Client] = []
    try:
        for client in clients:
            if loaded != config:
                asked.append(client)
                client.reload(loaded)
        if version is not None:
            deadline = time.monotonic() + wait_s
            for client in clients:
                _wait_until_available(client, version, deadline)
        for client in clients:
            asked.append(client)
            client.reload(after)
    except UserError as error:
        raise UserError(f"{error}; {_set_back(asked, config)}") from None
    except BaseException:
        _set_back(asked, config)
        raise
    return after


def read(where: str) -> ModelServerConfig:
    """The config in a file or an object.

    Raises:
        UserError: there is none, or it is something else.
    """
    try:
        return read_config(storage.read_bytes(where).decode("utf-8"), where)
    except UnicodeDecodeError:
        raise UserError(f"{where}: expected a ModelServerConfig of TF Serving as text, received something else") from None


def write(where: str, config: ModelServerConfig) -> None:
    """Writes the config, whole, to a file or an object."""
    if not storage.is_remote(where):
        with whole_file(Path(where)) as partial:
            partial.write_text(write_config(config), "utf-8")
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / CONFIG
        path.write_text(write_config(config), "utf-8")
        storage.upload(path, where)


def _wait_until_available(client: Client, version: int, deadline: float) -> None:
    while True:
        try:
            status = next((entry for entry in client.status() if entry.version == version), None)
        except CallError as error:
            if error.code is not grpc.StatusCode.NOT_FOUND:
                raise
            status = None
        state = status.state if status else "unknown"
        if state == "AVAILABLE":
            return
        if status and status.message:
            raise UserError(f"{client.server}: version {version} does not load: {status.message}")
        if time.monotonic() >= deadline:
            raise UserError(f"{client.server}: expected version {version} AVAILABLE in time, its state is {state}")
        time.sleep(POLL_S)


def _set_back(asked: Sequence[Client], config: ModelServerConfig) -> str:
    """Gives every server that was asked for a change its old config again; says how that went."""
    failed = []
    for client in dict.fromkeys(asked):
        try:
            client.reload(config)
        except UserError as error:
            failed.append(str(error))
    return f"not set back: {'; '.join(failed)}" if failed else "all servers have their labels as before"
