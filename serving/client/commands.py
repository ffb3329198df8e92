"""The client's commands `predict`, `status` and `label`."""

import contextlib
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from components.common.errors import UserError, one_line_errors
from serving.client import options

if TYPE_CHECKING:
    from serving.client.aio import Outcome

FEW = 32


@click.command()
@click.argument("photos", nargs=-1, required=True, metavar="PHOTO...")
@options.server()
@options.which
@click.option("--top", type=click.IntRange(min=1), default=5, show_default=True, help="Candidates to show for each photo.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("--output", type=options.file, metavar="FILE", help="Write to a .csv or .jsonl file instead, photo by photo.")
@click.option("--save", type=options.file, metavar="FOLDER", help="Save the photos there with the box drawn.")
@click.option("--concurrency", type=click.IntRange(1, 256), default=4, show_default=True, help="Requests under way at a time.")
def predict(
    photos: tuple[str, ...], top: int, as_json: bool, output: Path | None, save: Path | None, concurrency: int, **server: Any
) -> None:
    """Recognise the car in each PHOTO and find its box.

    A PHOTO is a file, a folder, a pattern such as "cars/**/*.jpg", or an http(s):// or gs:// address. One of several that cannot be
    read is set aside, and the command ends with status 1 when the others are done.
    """
    with one_line_errors():
        from components.common.progress import track
        from serving.client import draw, outputs, show, sources
        from serving.client.aio import predict_each

        found = sources.expand(photos)
        if output:
            outputs.check(output)
        if save:
            _make_folder(save)
        saved = dict(enumerate(draw.output_paths([Path(name) for name, _ in found], save))) if save else {}
        few: list[Outcome] = []
        aside: list[str] = []
        with (
            contextlib.closing(predict_each(found, concurrency=concurrency, **options.settings(**server))) as outcomes,
            outputs.opened(output, top) if output else contextlib.nullcontext(few.append) as write,
        ):
            for number, outcome in enumerate(track(outcomes, "photos", len(found)) if len(found) > FEW else outcomes):
                if outcome.prediction is None:
                    if len(found) == 1:
                        raise UserError(outcome.error)
                    aside.append(outcome.error)
                    saved.pop(number, None)
                elif number in saved:
                    draw.save_annotated(outcome.photo, outcome.prediction, saved[number], outcome.name)
                # Without what was downloaded: that may be more than memory holds.
                write(dataclasses.replace(outcome, photo=outcome.name))
        if output:
            click.echo(f"wrote {output}: {len(found) - len(aside)} predictions")
        elif as_json:
            click.echo(json.dumps([outputs.as_object(outcome, top) for outcome in few], ensure_ascii=False, indent=2))
        else:
            show.console().print(show.prediction_table(few, top))
        _report(list(saved.values()), aside, len(found), as_json)


@click.command()
@options.server()
@click.option("--config", metavar="FILE", help="The server's models.config, to show the labels of the versions.")
def status(config: str | None, **server: Any) -> None:
    """Show which versions of a model a server holds, and their states."""
    with one_line_errors():
        from serving.client import labels, show
        from serving.client.client import Client
        from serving.client.move import read

        with Client(**options.settings(**server)) as client:
            named = labels.labels_of(read(config), client.model) if config else None
            show.console().print(show.status_table(client.model, client.status(), named))


@click.command()
@click.argument("name")
@click.argument("version", type=options.Version(), required=False)
@options.server("Addresses of all servers of the model, host:port[,host:port...].", deadline_s=60.0)
@click.option("--config", required=True, metavar="FILE", help="The servers' models.config; it changes when all have agreed.")
@click.option("--remove", is_flag=True, help="Remove the label instead.")
def label(name: str, version: int | None, config: str, remove: bool, **server: Any) -> None:
    """Point the label NAME to VERSION, on every server and in the config, or nowhere.

    The version is loaded first where it is not; if one server refuses, the others get their labels back. A name with several
    addresses stands for all of them, but with TLS, where a certificate belongs to the name.
    """
    if remove == (version is not None):
        raise click.UsageError("expected VERSION or --remove")
    with one_line_errors():
        from serving.client import move
        from serving.client.addresses import addresses_of
        from serving.client.client import Client

        settings = options.settings(**server)
        named = settings["server"]
        with contextlib.ExitStack() as stack:
            addresses = named.split(",") if settings["tls"] else addresses_of(named) or [named]
            clients = [stack.enter_context(Client(**settings | {"server": address.strip()})) for address in addresses]
            move.move_label(clients, config, settings["model"], name, version, settings["deadline_s"], _say)
        click.echo(f"{name}: {'removed' if version is None else f'version {version}'} on {len(clients)} server(s) and in {config}")


def _say(line: str) -> None:
    click.echo(line, err=True)


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path}: expected a folder to save into: {error.strerror}; choose another with --save") from None


def _report(saved: list[Path], aside: list[str], total: int, as_json: bool) -> None:
    """Says what was saved and what was set aside: a line each where they are few."""
    from serving.client.show import printable

    lines = [f"saved {path}" for path in saved] if len(saved) <= FEW else [f"saved {len(saved)} photos in {saved[0].parent}"]
    for line in lines:
        click.echo(printable(line), err=as_json)
    for reason in aside[:FEW]:
        click.echo(printable(f"set aside: {reason}"), err=True)
    if aside:
        raise UserError(f"{len(aside)} of {total} photos were set aside; the others are done")
