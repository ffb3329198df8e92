"""`python -m tests.bench.measure NAME SOURCE WORK ...`: one measurement in a process of its own, so that its memory is its own.

Its last line of output is the result as JSON.
"""

import dataclasses
import importlib
import json
from pathlib import Path
from typing import Any

import click

from tests.bench import steps
from tests.bench.photo_set import PhotoSet

# Figure -> the module whose function of that name measures it.
SPEEDS = {
    **dict.fromkeys(("decode_limit", "decode_resize_limit", "original_way"), "streams"),
    **dict.fromkeys(("seed", "imgaug", "graph", "balanced_reader"), "streams"),
    **dict.fromkeys(("ingest", "shard", "copy"), "steps"),
}
TRAINING = dict.fromkeys(("train_constant", "train_shards", "constant_one_core", "fed_one_core", "load_one_core"), "training")

EVALUATION = {"evaluate_predictions": "evaluation"}
FIGURES = SPEEDS | TRAINING | EVALUATION


@click.command()
@click.argument("name")
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("work", type=click.Path(path_type=Path))
@click.option("--seconds", default=0.0, help="How long to measure.")
@click.option("--smallest", nargs=2, type=click.Path(path_type=Path), help="SOURCE and WORK of the smallest set, for growth.")
def main(name: str, source: Path, work: Path, seconds: float, smallest: tuple[Path, Path] | None) -> None:
    """Measures NAME; `prepare` makes what the others read, `feed` is the other end of fed_one_core."""
    photos = PhotoSet(source, work)
    result: dict[str, Any] = {}
    if name == "prepare":
        steps.ingest_once(photos, work)
        steps.shard_once(photos, work)
    elif name == "feed":
        importlib.import_module("tests.bench.training").feed(photos)
    elif smallest:
        result = steps.growth(name, photos, PhotoSet(*smallest), seconds)
    else:
        module = importlib.import_module(f"tests.bench.{FIGURES[name]}")
        result = dataclasses.asdict(getattr(module, name)(photos, seconds))
    click.echo("\n" + json.dumps(result))


if __name__ == "__main__":
    main()
