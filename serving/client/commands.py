"""The client's commands: `predict` and `status`."""

import math
from pathlib import Path

import click

from components.common.errors import UserError, one_line_errors

MAX_DEADLINE_S = 3600

server_option = click.option("--server", default="localhost:8500", show_default=True, help="Address of the server, host:port.")
model_option = click.option("--model", default="marque", show_default=True, help="Name of the served model.")


def _number(_context: click.Context, _option: click.Parameter, value: float) -> float:
    """`value`, unless it is nan, which every click.FloatRange lets through."""
    if math.isnan(value):
        raise click.BadParameter("nan is not a number.")
    return value


deadline_option = click.option(
    "--deadline", "deadline_s", type=click.FloatRange(0, MAX_DEADLINE_S, min_open=True), callback=_number, default=10.0,
    show_default=True, help="Seconds to wait for each answer.",
)  # fmt: skip


@click.command()
@click.argument("photos", nargs=-1, required=True, metavar="PHOTO...", type=click.Path(path_type=Path))
@server_option
@model_option
@deadline_option
@click.option("--top", type=click.IntRange(min=1), default=5, show_default=True, help="Candidates to show for each photo.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("--save", type=click.Path(path_type=Path), metavar="FOLDER", help="Save the photos there with the box drawn.")
def predict(
    photos: tuple[Path, ...], server: str, model: str, deadline_s: float, top: int, as_json: bool, save: Path | None
) -> None:
    """Recognise the car in each PHOTO and find its box."""
    with one_line_errors():
        data = [_read_photo(path) for path in photos]
        from serving.client import draw, show
        from serving.client.client import Client

        with Client(server, model, deadline_s=deadline_s) as client:
            predictions = client.predict(data, [str(path) for path in photos])
        if as_json:
            click.echo(show.predictions_json(photos, predictions, top))
        else:
            show.console().print(show.prediction_table(photos, predictions, top))
        if save:
            _make_folder(save)
            for photo, prediction, path, output in zip(
                data, predictions, photos, draw.output_paths(list(photos), save), strict=True
            ):
                draw.save_annotated(photo, prediction, output, str(path))
                click.echo(f"saved {output}", err=as_json)


@click.command()
@server_option
@model_option
@deadline_option
def status(server: str, model: str, deadline_s: float) -> None:
    """Show which versions of a model a server holds, and their states."""
    with one_line_errors():
        from serving.client import show
        from serving.client.client import Client

        with Client(server, model, deadline_s=deadline_s) as client:
            show.console().print(show.status_table(model, client.status()))


def _read_photo(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: expected a photo, cannot read it: {error.strerror}") from None


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path}: expected a folder to save into: {error.strerror}; choose another with --save") from None
