"""`python -m serving.app`: starts the app, and a server for it where none is given; both end with it."""

import signal
import threading
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import click

from components.common.errors import UserError, one_line_errors
from components.common.whole import whole_file
from serving.app.launch import LOOPBACK, check_streamlit, embedded_server, free_port, streamlit
from serving.app.sources import Sources, completed
from serving.client.options import listen

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
LOOK_S = 0.3


@click.command()
@click.option("--dataset", type=FOLDER, help="Folder that ingest wrote. [default: the demo's]")
@click.option("--evaluation", type=FOLDER, help="Folder that evaluate wrote, with its report. [default: the demo's]")
@click.option("--repository", type=FOLDER, help="Folder that holds <model>/<version>/. [default: the demo's]")
@click.option("--server", default="", help="host:port to ask. [default: an embedded server of the repository, started here]")
@click.option("--model", default="marque", show_default=True, help="Name of the served model.")
@click.option(
    "--demo", type=click.Path(path_type=Path), default=Path("build/demo"), show_default=True, help="Folder of `make demo`."
)
@listen
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8600, show_default=True, help="Port to listen on; 0 takes a free one."
)
@click.option(
    "--address-file", type=click.Path(dir_okay=False, path_type=Path), help="File to write the app's address to, once it answers."
)
def main(
    dataset: Path | None,
    evaluation: Path | None,
    repository: Path | None,
    server: str,
    model: str,
    demo: Path,
    host: str,
    port: int,
    address_file: Path | None,
) -> None:
    """Look at photos, ask the model about them, weigh thresholds, compare versions, read the report: in a browser."""
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stopped.set())
    with one_line_errors(), ExitStack() as stack:
        check_streamlit()
        port = free_port(host, port)
        given = Sources(_text(dataset), _text(evaluation), _text(repository), server, model, local=host in LOOPBACK)
        sources = completed(given, demo)
        served = None
        if not sources.server and sources.repository:
            try:
                address, served = stack.enter_context(embedded_server(Path(sources.repository), model))
                sources = replace(sources, server=address)
            except UserError as error:  # there is still much to look at
                click.echo(str(error), err=True)
                sources = replace(sources, problem=str(error))
        address, process = stack.enter_context(streamlit(sources, host, port))
        for what in ("dataset", "evaluation", "repository", "server"):
            click.echo(f"{what:<11}{getattr(sources, what) or 'none'}")
        click.echo(f"the app    {address}   (Ctrl-C ends it)")
        if address_file:
            with whole_file(address_file) as partial:
                partial.write_text(f"{address}\n", "utf-8")
        while not stopped.wait(LOOK_S):
            if served:
                with suppress(UserError):  # of the repository's models.config, which the pages tell of
                    served.refresh()
            if process.poll() is not None:
                raise UserError("Streamlit ended; start the app again")


def _text(folder: Path | None) -> str:
    return str(folder.absolute()) if folder else ""


if __name__ == "__main__":
    main(prog_name="python -m serving.app")
