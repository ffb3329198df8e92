"""The command `bench`: how much a server takes, and how fast it answers."""

import asyncio
import itertools
import json
import math
from typing import TYPE_CHECKING, Any

import click

from components.common.errors import UserError, one_line_errors
from serving.client import options

if TYPE_CHECKING:
    from serving.client.load import Result
    from serving.client.photo import Photo

PERCENTS = (50, 90, 99)
PHOTO_PX = (640, 480)


@click.command()
@click.argument("photos", nargs=-1, metavar="[PHOTO...]")
@options.server()
@options.which
@click.option("--concurrency", type=click.IntRange(1, 4096), default=8, show_default=True, help="Clients at a time.")
@options.seconds("--seconds", "seconds", 10.0, "How long to send.")
@click.option("--batch", type=click.IntRange(1, 1024), default=1, show_default=True, help="Photos in a request.")
@click.option(
    "--rate", type=click.FloatRange(0, min_open=True), callback=options.number, metavar="N",
    help="Send N requests a second, whatever the server does, instead of each when the one before is answered.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def bench(
    photos: tuple[str, ...], concurrency: int, seconds: float, batch: int, rate: float | None, as_json: bool, **server: Any
) -> None:
    """Send a server requests with the PHOTOs (one drawn photo, if none are given) and measure its answers."""
    with one_line_errors():
        from serving.client import load, show
        from serving.client.wire import Model

        settings = options.settings(**server)
        model = Model(settings["model"], settings["version"], settings["label"])
        prepared = _photos(photos)
        cycled = itertools.cycle(prepared)
        batches = [list(itertools.islice(cycled, batch)) for _ in range(math.ceil(len(prepared) / batch))]
        requests = [model.predict_request(row).SerializeToString() for row in batches]
        reach = {name: settings[name] for name in ("server", "tls", "token", "deadline_s")}
        result = asyncio.run(load.run(requests=requests, concurrency=concurrency, seconds=seconds, rate=rate, **reach))
        if rate and (unsent := int(rate * seconds) - len(result.codes)) > 0:
            click.echo(f"{unsent} requests that were due were never sent: raise --concurrency or lower --rate", err=True)
        figures = summary(result, batch)
        if as_json:
            click.echo(json.dumps(figures, indent=2))
        else:
            show.console().print(show.load_table(figures))
        if load.OK not in result.counts:
            raise UserError(f"{settings['server']}: expected answers, received {', '.join(result.counts) or 'none'}")


def summary(result: "Result", batch: int) -> dict[str, Any]:
    """The figures of a run whose every request holds `batch` photos: rates and latencies of what was answered, calls by code."""
    answered = "OK" in result.counts
    return {
        "seconds": round(result.seconds, 3),
        "requests_per_s": round(result.answered_per_s, 2),
        "photos_per_s": round(result.answered_per_s * batch, 2),
        **{f"p{percent}_ms": round(result.latency_ms(percent), 3) if answered else None for percent in PERCENTS},
        "codes": result.counts,
    }


def _photos(arguments: tuple[str, ...]) -> list["Photo"]:
    from PIL import Image

    from serving.client import sources
    from serving.client.photo import prepare

    if arguments:
        return [prepare(photo, name) for name, photo in sources.expand(arguments)]
    return [prepare(Image.radial_gradient("L").resize(PHOTO_PX).convert("RGB"), "the drawn photo")]
