"""`python -m tests.bench.serving.clients SERVER PHOTO...`: a load generator, figures as JSON on the last line.

Requests are made before the clock runs and answers are not read: next to nothing but gRPC itself is added to the server's work.
"""

import asyncio
import itertools
import json
from pathlib import Path

import click

from serving.client import load
from serving.client.bench import summary
from serving.client.photo import prepare
from serving.client.wire import Model


@click.command()
@click.argument("server")
@click.argument("photos", nargs=-1)
@click.option("--concurrency", default=1, help="Clients, each with one request under way.")
@click.option("--seconds", default=5.0, help="How long to send, after a fifth of that to warm up.")
@click.option("--batch", default=1, help="Photos in a request.")
@click.option("--rate", type=float, help="Requests a second, whatever the server does.")
def main(server: str, photos: tuple[str, ...], concurrency: int, seconds: float, batch: int, rate: float | None) -> None:
    """Sends, and says rates, latencies and codes."""
    prepared = [prepare(Path(path), path) for path in photos]
    cycled = itertools.cycle(prepared)
    requests = [
        Model("marque").predict_request(list(itertools.islice(cycled, batch))).SerializeToString() for _ in range(len(prepared))
    ]
    asyncio.run(load.run(server, requests, concurrency=concurrency, seconds=seconds / 5, rate=rate))
    result = asyncio.run(load.run(server, requests, concurrency=concurrency, seconds=seconds, rate=rate))
    click.echo(json.dumps({**summary(result, batch), **_refusals(result)}))


def _refusals(result: load.Result) -> dict[str, float]:
    """How fast refusals came, milliseconds."""
    code = "RESOURCE_EXHAUSTED"
    if code not in result.counts:
        return {}
    return {f"refused_p{percent}_ms": round(result.latency_ms(percent, code), 2) for percent in (50, 99)}


if __name__ == "__main__":
    main()
