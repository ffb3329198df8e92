"""`make bench-serving`: what the embedded server adds to its SavedModel, swaps under load, overload; build/bench-serving.json.

Every figure is of processes of their own on one machine. What is compared is measured in turn, in rounds; the median round counts.
"""

import os
import statistics
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from components.common.errors import one_line_errors
from components.common.progress import track
from tests.bench import report
from tests.bench.rounds import ROOT
from tests.bench.serving.overload import overload
from tests.bench.serving.runs import run
from tests.bench.serving.server_process import serving
from tests.bench.serving.setting import MODEL, make_photos, make_repository
from tests.bench.serving.swap import ORDER, swap_under_load
from tests.bench.verdicts import Target
from tests.serving.client import start_up

CACHE = ROOT / "build" / "bench"
RESULT = ROOT / "build" / "bench-serving.json"
REAL_PHOTOS = ROOT / ".." / "shared" / "data" / "stanford-cars-128"
DRAWN_PHOTOS = "toy://?classes=64&per_class=16&seed=1"
SCHEMA = "marque.bench-serving/1"
IMAGE_PX, PHOTOS, CLIENTS, ROUNDS = 224, 256, 32, 5
TARGETS = {
    "added_p50_ms": (4.0, True),
    "added_p99_ms": (15.0, True),
    "batched_over_in_process": (0.9, False),
    "batched_over_unbatched": (2.0, False),
    "swap_failed": (0, True),
    "swap_mixed": (0, True),
    "overload_refused_p99_ms": (100.0, True),
    "overload_memory_growth": (1.5, True),
    "recovered_over_before": (0.8, False),
    "client_start_s": (0.5, True),
    "client_mb": (120.0, True),
}


@click.command()
@click.option("--quick", is_flag=True, help="One short round: whether it runs, not how fast.")
@click.option("--small", default="", help="Source of the photos to enlarge; by default the real miniatures, else drawn cars.")
@click.option("--image-px", default=IMAGE_PX, show_default=True, help="Side of the model's input.")
@click.option("--output", type=click.Path(path_type=Path), default=RESULT, help="File to write.")
def main(quick: bool, small: str, image_px: int, output: Path) -> None:
    """Measures the embedded server."""
    with one_line_errors():
        small = small or (os.path.relpath(REAL_PHOTOS) if REAL_PHOTOS.is_dir() else DRAWN_PHOTOS)
        seconds, rounds = (0.5, 1) if quick else (6.0, ROUNDS)
        CACHE.mkdir(parents=True, exist_ok=True)
        repository = make_repository(CACHE, image_px, max(ORDER))
        photos = make_photos(small, CACHE, PHOTOS)
        measured = [_round(repository, photos, seconds) for _ in track(range(rounds), "rounds of latency and throughput")]
        figures = {
            **_compared(measured),
            **{f"swap_{name}": value for name, value in swap_under_load(repository, photos, 6.0 if quick else 60.0).items()},
            **overload(repository, photos, seconds),
            **_start_up(repository, photos[0], rounds),
        }
        result = {
            "schema": SCHEMA,
            **figures,
            "ratios": [Target(name, "", *TARGETS[name]).judge([figures[name]], [1]) for name in TARGETS],
            "rounds": measured,
            "model": {"backbone": "MobileNetV2-0.35", "image_px": image_px, "classes": 196},
            "photos": {"enlarged_from": small, "count": len(photos), "mean_bytes": _mean_bytes(photos)},
            "machine": report.machine(),
        }
        report.write(result, output)
        _show(result)


def _round(repository: Path, photos: list[Path], seconds: float) -> dict[str, Any]:
    """The SavedModel in a process, then the server with batching (one client, then many), then without."""
    flags = (f"--repository={repository}", "--rest-port=-1")
    alone = run("inprocess", repository / MODEL / "1", *photos, "--seconds", seconds)
    with serving(*flags) as server:
        one = run("clients", server.address, *photos, "--seconds", seconds)
        many = run("clients", server.address, *photos, "--seconds", seconds, "--concurrency", CLIENTS)
    with serving(*flags, "--no-batching") as server:
        unbatched = run("clients", server.address, *photos, "--seconds", seconds, "--concurrency", CLIENTS)
    return {"in_process": alone, "one_client": one, "batched": many, "unbatched": unbatched}


def _compared(rounds: list[dict[str, Any]]) -> dict[str, float]:
    """The median over the rounds of what is compared within a round."""
    values = {
        "in_process_p50_ms": [each["in_process"]["p50_ms"] for each in rounds],
        "in_process_photos_per_s": [each["in_process"]["photos_per_s"] for each in rounds],
        "batched_photos_per_s": [each["batched"]["photos_per_s"] for each in rounds],
        "unbatched_photos_per_s": [each["unbatched"]["photos_per_s"] for each in rounds],
        "added_p50_ms": [each["one_client"]["p50_ms"] - each["in_process"]["p50_ms"] for each in rounds],
        "added_p99_ms": [each["one_client"]["p99_ms"] - each["in_process"]["p99_ms"] for each in rounds],
        "batched_over_in_process": [each["batched"]["photos_per_s"] / each["in_process"]["photos_per_s"] for each in rounds],
        "batched_over_unbatched": [each["batched"]["photos_per_s"] / each["unbatched"]["photos_per_s"] for each in rounds],
    }
    return {name: round(statistics.median(each), 3) for name, each in values.items()}


def _start_up(repository: Path, photo: Path, rounds: int) -> dict[str, float]:
    """The client's own costs, beside a server that runs already: until its first answer, less what a second one takes."""
    with serving(f"--repository={repository}", "--rest-port=-1") as server:
        measured = [start_up.measure(server.address, photo) for _ in range(rounds)]
    return {
        "client_start_s": round(statistics.median(each["import_s"] + each["first_s"] - each["second_s"] for each in measured), 3),
        "client_mb": round(max(each["peak_mb"] for each in measured), 1),
    }


def _mean_bytes(photos: list[Path]) -> int:
    return round(statistics.mean(photo.stat().st_size for photo in photos))


def _show(result: dict[str, Any]) -> None:
    table = Table("figure", "value", "target", "verdict", title=f"{result['machine']['cores']} cores, embedded server")
    for ratio in result["ratios"]:
        table.add_row(ratio["ratio"], f"{ratio['value']:.4g}", ratio["target"], "met" if ratio["met"] else "[red]not met")
    Console().print(table)


if __name__ == "__main__":
    main()
