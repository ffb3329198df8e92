"""A label moved on all servers of a model and in their models.config, or nowhere.

A version is loaded first and the label moved when it is AVAILABLE everywhere.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from components.common import exchange
from components.common.errors import UserError
from components.common.repository import is_version
from serving.client.client import Client
from serving.client.labels import read_config, with_label, with_version, write_config
from serving.client.loading import load
from serving.client.messages.tf_serving_pb2 import ModelServerConfig


def move_label(
    clients: Sequence[Client],
    where: str,
    model: str,
    label: str,
    version: int | None,
    wait_s: float,
    say: Callable[[str], None] | None = None,
) -> None:
    """Has every server load `version` and point `label` of `model` to it (None: forget the label), then writes so to their config.

    Args:
        where: their config, a file or an object; where anything fails they are set back to what it says.
        wait_s: for the version to be AVAILABLE on each server.
        say: is told of each server that must load the version first.

    Raises:
        UserError: no config, model or label, or no such version in the model's folder, where that is on this machine (then no
            server is asked); a server is not there, refuses, or does not load the version in time; or someone else has changed the
            config meanwhile.
    """
    seen = exchange.read(where)
    config = _parsed(seen, where)
    after = with_label(config, model, label, version)
    if version is not None:
        _check_folder(config, model, version)
    loaded = config if version is None else with_version(config, model, version)
    asked: list[Client] = []
    try:
        if version is not None:
            for client in clients:
                if loaded != config:
                    asked.append(client)
                load(client, loaded, [version], wait_s, say)
        for client in clients:
            asked.append(client)
            client.reload(after)
        if not exchange.write(where, write_config(after).encode(), seen):
            config = read(where)
            raise UserError(f"{where}: someone else has changed it meanwhile; try again")
    except UserError as error:
        raise UserError(f"{error}; {_set_back(asked, config)}") from None
    except BaseException:
        _set_back(asked, config)
        raise


def read(where: str) -> ModelServerConfig:
    """The config in a file or an object.

    Raises:
        UserError: there is none, or it is something else.
    """
    return _parsed(exchange.read(where), where)


def _parsed(seen: exchange.Snapshot, where: str) -> ModelServerConfig:
    if not seen.generation:
        raise UserError(f"{where}: no such file")
    return read_config(seen.content.decode("utf-8", "replace"), where)


def _check_folder(config: ModelServerConfig, model: str, version: int) -> None:
    """Raises UserError where the model's folder is on this machine and has no such version: no server would ever load it."""
    for entry in config.model_config_list.config:
        folder = Path(entry.base_path)
        if entry.name == model and folder.is_absolute() and folder.is_dir():
            there = sorted(int(each.name) for each in folder.iterdir() if is_version(each.name))
            if version not in there:
                raise UserError(f"{folder}: expected one of the versions there, {there}, received {version}")


def _set_back(asked: Sequence[Client], config: ModelServerConfig) -> str:
    """Gives every server that was asked for a change `config` again; says how that went."""
    failed = []
    for client in dict.fromkeys(asked):
        try:
            client.reload(config)
        except UserError as error:
            failed.append(str(error))
    return f"not set back: {'; '.join(failed)}" if failed else "all servers have the labels that the config says"
