"""Ten times what the server can do: how fast the rest is refused, what memory does, and whether the server comes back."""

import statistics
from pathlib import Path
from typing import Any

from tests.bench.serving.runs import run
from tests.bench.serving.server_process import serving

FACTOR = 10
BATCH = 16
CLIENTS = 256
QUEUE = 32


def overload(repository: Path, photos: list[Path], seconds: float) -> dict[str, Any]:
    """Capacity with requests of `BATCH` photos; then, open loop, `FACTOR` times that; then capacity again."""
    flags = (f"--repository={repository}", "--rest-port=-1", f"--queue={QUEUE}")
    with serving(*flags) as server:
        load = (server.address, *photos, "--batch", BATCH, "--seconds", seconds)
        before = run("clients", *load, "--concurrency", 4)
        settled = statistics.median(server.resident_mb[-10:])
        flooded = run("clients", *load, "--concurrency", CLIENTS, "--rate", FACTOR * before["requests_per_s"])
        highest = max(server.resident_mb)
        after = run("clients", *load, "--concurrency", 4)
    codes = flooded["codes"]
    return {
        "overload_offered_per_s": round(sum(codes.values()) / flooded["seconds"] * BATCH, 1),
        "overload_answered_per_s": flooded["photos_per_s"],
        "overload_codes": codes,
        "overload_refused_p50_ms": flooded["refused_p50_ms"],
        "overload_refused_p99_ms": flooded["refused_p99_ms"],
        "overload_memory_mb": [round(settled), round(highest)],
        "overload_memory_growth": round(highest / settled, 3),
        "recovered_over_before": round(after["photos_per_s"] / before["photos_per_s"], 3),
    }
