"""The server's command: `serve`."""

from pathlib import Path
from typing import Any

import click

from components.common.errors import UserError, one_line_errors
from components.common.quiet import quiet_tensorflow
from serving.client.options import listen

FOLDER = click.Path(path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)
PORT = click.IntRange(0, 65535)


@click.command()
@click.option("--repository", type=FOLDER, help="Folder that holds <model>/<version>/: the latest version is served.")
@click.option("--model", default="marque", show_default=True, help="Name of the served model, with --repository.")
@click.option("--config", type=FILE, help="Model config file (ModelServerConfig as text): models, versions and labels.")
@listen
@click.option("--port", type=PORT, default=8500, show_default=True, help="Port of gRPC; 0 takes a free one.")
@click.option(
    "--rest-port", type=click.IntRange(-1, 65535), default=8501, show_default=True, help="Port of REST; 0 a free one, -1 no REST."
)
@click.option("--port-file", type=FILE, help="File to write the port to, once the server answers.")
@click.option("--rest-port-file", type=FILE, help="The same for REST's port.")
@click.option("--max-batch", type=click.IntRange(1), default=32, show_default=True, help="Most photos to run at once.")
@click.option(
    "--batch-timeout-ms", type=click.FloatRange(0), default=0.0, show_default=True, help="Longest wait for a fuller batch."
)
@click.option("--allowed-batch-sizes", default="", help="Sizes that batches are filled up to, such as 4,16,32.")
@click.option("--no-batching", is_flag=True, help="Run every request alone.")
@click.option("--workers", type=click.IntRange(0), default=0, help="Runs of models at once; 0: one for each CPU.")
@click.option(
    "--run-threads", type=click.IntRange(1), default=1, show_default=True, help="Threads within a run; more suit large models."
)
@click.option("--queue", type=click.IntRange(1), default=256, show_default=True, help="Most requests that may wait.")
@click.option("--max-message-mb", type=click.IntRange(1, 2047), default=64, show_default=True, help="Largest message, both ways.")
@click.option(
    "--poll-s", type=click.FloatRange(0), default=1.0, show_default=True, help="Seconds between looks for new versions; 0: never."
)
@click.option("--tls-cert", type=FILE, help="The server's certificate (PEM).")
@click.option("--tls-key", type=FILE, help="Its key (PEM).")
@click.option("--tls-client-ca", type=FILE, help="Authority (PEM) that clients must show a certificate of.")
@click.option("--log-requests", type=FOLDER, help="Folder to log a share of the requests to.")
@click.option("--log-share", type=click.FloatRange(0, 1), default=0.01, show_default=True, help="Which share.")
@click.option(
    "--grace-s", type=click.FloatRange(0), default=5.0, show_default=True, help="Seconds for requests under way at the end."
)
def serve(
    repository: Path | None, model: str, config: Path | None, port_file: Path | None, rest_port_file: Path | None, **options: Any
) -> None:
    """Serve models over TF Serving's API, until SIGTERM or Ctrl-C."""
    with one_line_errors():
        if (repository is None) == (config is None):
            raise UserError("expected --repository or --config, received both or none")
        with quiet_tensorflow():
            from serving.server.server import Running, Source, serve_until_stopped, write_port_file
            from serving.server.settings import ServerSettings
        options["batching"] = not options.pop("no_batching")
        options["max_message_bytes"] = options.pop("max_message_mb") << 20
        for name in ("tls_cert", "tls_key", "tls_client_ca", "log_requests"):
            options[name] = str(options[name] or "")
        settings = ServerSettings(**options)

        def announce(running: Running) -> None:
            served = ", ".join(f"{name} version {version}" for name, version in sorted(running.core.available()))
            rest = f", REST on port {running.rest_port}" if running.rest_port >= 0 else ""
            click.echo(f"serving {served} on {settings.host}:{running.port}{rest}")
            if port_file:
                write_port_file(port_file, running.port)
            if rest_port_file:
                write_port_file(rest_port_file, running.rest_port)

        serve_until_stopped(Source(repository, model, config), settings, announce)
