"""The options that commands share: which server and model, how it is reached, how long to wait; where server and app listen."""

import functools
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from components.common.errors import UserError

MAX_DEADLINE_S = 3600
MAX_VERSION = 2**63 - 1
TOKEN_VARIABLE = "MARQUE_TOKEN"  # noqa: S105 - the variable's name

file = click.Path(path_type=Path)


class Version(click.IntRange):
    """The number of a version, as TF Serving's int64 holds it."""

    name = "version number"

    def __init__(self) -> None:
        super().__init__(0, MAX_VERSION)


def number(_context: click.Context, _option: click.Parameter, value: float | None) -> float | None:
    """`value`, unless it is nan, which every click.FloatRange lets through, or infinite."""
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is not a finite number.")
    return value


def seconds(flag: str, name: str, default: float, what: str) -> Callable[[Any], Any]:
    """An option for a time."""
    span = click.FloatRange(0, MAX_DEADLINE_S, min_open=True)
    return click.option(flag, name, type=span, callback=number, default=default, show_default=True, help=what)


def _stacked(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda command: functools.reduce(lambda inner, option: option(inner), reversed(options), command)


def server(address: str = "Address of the server, host:port.", deadline_s: float = 10.0) -> Callable[[Any], Any]:
    """How a server is reached."""
    return _stacked(
        click.option("--server", default="localhost:8500", show_default=True, help=address),
        click.option("--model", default="marque", show_default=True, help="Name of the served model."),
        seconds("--deadline", "deadline_s", deadline_s, "Seconds to wait for each answer."),
        click.option("--tls", is_flag=True, help="Speak TLS, and know the server by this machine's authorities."),
        click.option("--tls-ca", type=file, metavar="PEM", help="Speak TLS, and know the server by this authority."),
        click.option("--tls-cert", type=file, metavar="PEM", help="The client's own certificate, where the server asks for one."),
        click.option("--tls-key", type=file, metavar="PEM", help="The key of that certificate."),
        click.option("--token-file", type=file, metavar="FILE", help=f"A bearer token; else ${TOKEN_VARIABLE}, if set."),
    )


listen = click.option(
    "--host",
    envvar="MARQUE_HOST",
    default="localhost",
    show_default=True,
    show_envvar=True,
    help="Address to listen on; 0.0.0.0 lets other machines in.",
)

which = _stacked(
    click.option("--version", type=Version(), metavar="N", help="Ask this version of the model instead of the latest."),
    click.option("--label", default="", help="Ask the version that this label points to, such as stable or canary."),
)


def settings(
    server: str,
    model: str,
    deadline_s: float,
    tls: bool,
    tls_ca: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    token_file: Path | None,
    **others: Any,
) -> dict[str, Any]:
    """What `server` (and `which`, in `others`) were given, as arguments of a client.

    Raises:
        UserError: a token file that cannot be read, or is empty.
    """
    from serving.client.connection import Tls

    secure = tls or tls_ca or tls_cert or tls_key
    return {
        "server": server,
        "model": model,
        "deadline_s": deadline_s,
        "tls": Tls(tls_ca, tls_cert, tls_key) if secure else None,
        "token": _read_token(token_file) if token_file else os.environ.get(TOKEN_VARIABLE, ""),
        **others,
    }


def _read_token(path: Path) -> str:
    try:
        token = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UserError(f"{path}: expected a file with a token, cannot read it: {reason}") from None
    if not token:
        raise UserError(f"{path}: expected a file with a token, it is empty")
    return token
