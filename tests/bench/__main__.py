"""`python -m tests.bench [PARTS]`: measures, prints one table, writes build/bench.json."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from components.common.errors import UserError, one_line_errors
from tests.bench import report
from tests.bench.measure import EVALUATION, FIGURES, SPEEDS, TRAINING
from tests.bench.photo_set import PhotoSet
from tests.bench.photos import make_sources
from tests.bench.rounds import ROOT, Job, measure, run

CACHE = ROOT / "build" / "bench"
RESULT = ROOT / "build" / "bench.json"
REAL_PHOTOS = ROOT / ".." / "shared" / "data" / "stanford-cars-128"
DRAWN_PHOTOS = "toy://?classes=64&per_class=16&seed=1"
GROUPS: dict[str, list[str]] = {"speeds": list(SPEEDS), "growth": [], "training": list(TRAINING), "evaluation": list(EVALUATION)}
WHOLE = tuple(GROUPS)
STEPS = ("read", "shard", "ingest")
WHOLE_SETS = ("shard", "copy")  # where a pass takes a tenth of a second: as many photos as Stanford Cars' train split
PHOTOS, SECONDS, ROUNDS = 512, 3.0, 3
QUICK_PHOTOS, QUICK_SECONDS, QUICK_ROUNDS = 32, 0.2, 1
SPEED_FACTOR, GROWTH_FACTORS = 4, (1, 4, 16)


@click.command()
@click.argument("parts", nargs=-1)
@click.option("--quick", is_flag=True, help="Few photos, one short round: whether it runs, not how fast.")
@click.option("--small", default="", help="Source of the photos to enlarge; by default the real miniatures, else drawn cars.")
@click.option("--output", type=click.Path(path_type=Path), help="File to write; by default build/bench.json, for a run of all.")
def main(parts: tuple[str, ...], quick: bool, small: str, output: Path | None) -> None:
    """Measures PARTS: speeds, growth, training, evaluation, or single figures; without any, all."""
    with one_line_errors():
        parts = parts or WHOLE
        if output is None and not quick and set(WHOLE) <= set(parts):
            output = RESULT
        small = small or (os.path.relpath(REAL_PHOTOS) if REAL_PHOTOS.is_dir() else DRAWN_PHOTOS)
        result = bench(_figures(parts), "growth" in parts, quick, small)
        if output:
            report.write(result, output)
        report.show(result)


def bench(figures: Sequence[str], growth: bool, quick: bool, small: str) -> dict[str, object]:
    """Makes the input, measures `figures` and, where asked for, growth; returns what `bench.json` holds."""
    count, seconds, rounds = (QUICK_PHOTOS, QUICK_SECONDS, QUICK_ROUNDS) if quick else (PHOTOS, SECONDS, ROUNDS)
    sizes = [count * factor for factor in (GROWTH_FACTORS if growth else (SPEED_FACTOR,))]
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        sets = _photo_sets(small, sizes, Path(scratch))
        used = sets[count * SPEED_FACTOR]
        speed_jobs = [Job(name, sets[max(sizes)] if name in WHOLE_SETS else used) for name in figures]
        growth_jobs = [Job(step, sets[size], smallest=sets[count]) for step in STEPS for size in sizes if growth]
        measured = measure([*speed_jobs, *growth_jobs], rounds, seconds)
        described = report.describe(used.dataset, small)
    speeds = {job.name: measured[job] for job in speed_jobs}
    steps = {step: {size: measured[Job(step, sets[size], sets[count])] for size in sizes} for step in STEPS if growth}
    return {**report.summarize(speeds, steps), "photos": described, "machine": report.machine()}


def _photo_sets(small: str, sizes: Sequence[int], scratch: Path) -> dict[int, PhotoSet]:
    sources = make_sources(small, sizes, CACHE)
    sets = {size: PhotoSet(sources[size], scratch / str(size)) for size in sizes}
    for photos in sets.values():
        run(Job("prepare", photos), 0)
    return sets


def _figures(parts: Sequence[str]) -> list[str]:
    known = [*GROUPS, *FIGURES]
    if unknown := [part for part in parts if part not in known]:
        raise UserError(f"bench: expected {', '.join(known)}, received {unknown[0]!r}")
    return [name for part in parts for name in GROUPS.get(part, [part])]


if __name__ == "__main__":
    main()
