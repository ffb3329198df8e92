"""The result as JSON and as a table.

`bench.json` holds photos a second under each figure's name, and beside them: `per_core` and `peak_mb` by figure, `growth` by step,
`ratios` with target and verdict, `rounds` with every single measurement, and what was measured on what: `photos`, `machine`.
"""

import datetime
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from components.common.whole import whole_file
from tests.bench import verdicts
from tests.bench.rounds import ROOT
from tests.bench.verdicts import Rounds

SCHEMA = "marque.bench/1"
PACKAGES = ("tensorflow", "keras", "imaug", "numpy", "opencv-python-headless", "pillow")


def summarize(measured: Mapping[str, Rounds], growth: Mapping[str, Mapping[int, Rounds]]) -> dict[str, Any]:
    """Medians, and ratios with their verdicts.

    Args:
        measured: the rounds of each figure.
        growth: the rounds of each step at each number of photos.
    """
    cores = len(os.sched_getaffinity(0))
    speeds = {name: _median(rounds, "images_per_s") for name, rounds in measured.items()}
    used = {name: 1 if name.endswith("_one_core") else cores for name in speeds}
    ratios = verdicts.of_speeds(measured) + verdicts.of_step_times(measured) + verdicts.of_million(measured)
    for step, by_size in growth.items():
        ratios += verdicts.of_growth(step, by_size[min(by_size)], by_size[max(by_size)])
    return {
        "schema": SCHEMA,
        **{name: round(speed, 1) for name, speed in speeds.items()},
        "per_core": {name: round(speed / used[name], 1) for name, speed in speeds.items()},
        "peak_mb": {name: round(_median(rounds, "peak_mb")) for name, rounds in measured.items()},
        "growth": {step: [_size(photos, rounds) for photos, rounds in by_size.items()] for step, by_size in growth.items()},
        "ratios": ratios,
        "rounds": {**measured, "growth": growth},
    }


def machine() -> dict[str, Any]:
    """Where and when it was measured, of which commit, with which versions."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "HEAD") + ("+changes" if _git("status", "--porcelain") else ""),
        "cores": len(os.sched_getaffinity(0)),
        "platform": platform.platform(),
        "versions": {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in PACKAGES}},
    }


def describe(dataset: Path, small: str) -> dict[str, Any]:
    """What the photos of a dataset are like, and from which source they were enlarged."""
    rows = pd.read_parquet(dataset / "annotations.parquet")
    return {
        "enlarged_from": small,
        "count": len(rows),
        "median_px": [int(np.median(rows["width"])), int(np.median(rows["height"]))],
        "mean_pixels": round(float((rows["width"] * rows["height"]).mean())),
        "mean_bytes": round(float(rows["bytes"].mean())),
    }


def write(result: Mapping[str, Any], path: Path) -> None:
    """Writes the result whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial:
        partial.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


def show(result: Mapping[str, Any]) -> None:
    """Prints one table: the figures, the growth, the ratios."""
    table = Table("figure", "images/s", "per core", "peak MiB", title=f"{result['machine']['cores']} cores, full-size JPEGs")
    for name, per_core in result["per_core"].items():
        table.add_row(name, f"{result[name]:,.0f}", f"{per_core:,.0f}", f"{result['peak_mb'][name]:,}")
    if result["growth"]:
        _section(table, "growth", "photos", "seconds", "peak MiB")
    for step, sizes in result["growth"].items():
        for size in sizes:
            table.add_row(step, f"{size['photos']:,}", f"{size['seconds']:.2f}", f"{size['peak_mb']:,}")
    if result["ratios"]:
        _section(table, "ratio", "value", "target", "verdict")
    for ratio in result["ratios"]:
        table.add_row(ratio["ratio"], f"{ratio['value']:.3g}", ratio["target"], "met" if ratio["met"] else "[red]not met")
    Console().print(table)


def _section(table: Table, *header: str) -> None:
    table.add_section()
    table.add_row(*header, style="bold")


def _size(count: int, rounds: Rounds) -> dict[str, Any]:
    return {"photos": count, "seconds": round(_median(rounds, "seconds"), 3), "peak_mb": round(_median(rounds, "peak_mb"))}


def _median(rounds: Sequence[Mapping[str, float]], name: str) -> float:
    return statistics.median(measured[name] for measured in rounds)


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout.strip()
