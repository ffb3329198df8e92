"""The server's command: `serve`."""

from pathlib import Path

import click

from components.common.errors import one_line_errors
from components.common.quiet import quiet_tensorflow


@click.command()
@click.option("--repository", required=True, type=click.Path(path_type=Path), help="Folder that holds <model>/<version>/.")
@click.option("--model", default="marque", show_default=True, help="Name of the served model.")
@click.option("--host", default="localhost", show_default=True, help="Address to listen on; 0.0.0.0 lets other machines in.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8500, show_default=True, help="Port to listen on; 0 takes a free one."
)
@click.option(
    "--port-file", type=click.Path(dir_okay=False, path_type=Path), help="File to write the port to, once the server answers."
)
def serve(repository: Path, model: str, host: str, port: int, port_file: Path | None) -> None:
    """Serve the latest version of a model over TF Serving's gRPC API, until SIGTERM or Ctrl-C."""
    with one_line_errors():
        with quiet_tensorflow():
            from serving.server.server import Server, serve_until_stopped, write_port_file

        def announce(server: Server) -> None:
            click.echo(f"serving {model} version {server.servable.version} on {host}:{server.port}")
            if port_file:
                write_port_file(port_file, server.port)

        serve_until_stopped(repository, model, host=host, port=port, on_ready=announce)
