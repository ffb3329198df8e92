"""`python -m serving`: the client's commands and the server's, as far as they are installed."""

import os
import signal
import sys
from importlib import import_module
from importlib.util import find_spec

import click

COMMANDS = {
    "predict": "serving.client.commands",
    "status": "serving.client.commands",
    "label": "serving.client.commands",
    "bench": "serving.client.bench",
    "serve": "serving.server.commands",
}


class LazyGroup(click.Group):
    """Imports a command's module only when the command is asked for, so that the client never waits for TensorFlow."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name in COMMANDS if _is_installed(name)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        if not _is_installed(cmd_name):
            raise click.UsageError(f"{cmd_name} is not installed here; the server's image has it.", ctx)
        return getattr(import_module(COMMANDS[cmd_name]), cmd_name)


def _is_installed(name: str) -> bool:
    return find_spec(COMMANDS[name].rpartition(".")[0]) is not None


@click.group(cls=LazyGroup)
def main() -> None:
    """Ask a served model about photos, or serve one."""
    # gRPC's own log lines would stand beside our one line of error.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")


if __name__ == "__main__":
    # The first process of a container is never ended by a signal that it does not handle.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    main(prog_name="python -m serving")
