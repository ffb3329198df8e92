"""`python -m serving`: the client's commands and the server's."""

import os
from importlib import import_module

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
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return getattr(import_module(COMMANDS[cmd_name]), cmd_name) if cmd_name in COMMANDS else None


@click.group(cls=LazyGroup)
def main() -> None:
    """Ask a served model about photos, or serve one."""
    # gRPC's own log lines would stand beside our one line of error.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")


if __name__ == "__main__":
    main(prog_name="python -m serving")
