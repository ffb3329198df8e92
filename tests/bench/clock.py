"""What one measurement is: a warm-up, then photos counted over a set time; and the memory that it took at its peak."""

import os
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

KB_PER_MB = 1024


@dataclass(frozen=True)
class Measured:
    """Photos a second, and the peak memory in MiB of the process with its workers."""

    images_per_s: float
    peak_mb: float


def streamed(batch_sizes: Iterable[int], seconds: float) -> Measured:
    """The rate at which an endless stream of batches yields photos, after a warm-up of half of `seconds`."""
    sizes = iter(batch_sizes)
    next(sizes)  # starts workers and compiles, for as long as that takes
    warm = time.monotonic() + seconds / 2
    while time.monotonic() < warm:
        next(sizes)
    start, photos, elapsed = time.monotonic(), 0, 0.0
    while elapsed < seconds:
        photos += next(sizes)
        elapsed = time.monotonic() - start
    return Measured(photos / elapsed, peak_mb())


def repeated(job: Callable[[Path], object], photos: int, scratch: Path, seconds: float) -> Measured:
    """The rate of a job over `photos` that writes into a fresh folder: once to warm up, then the median run of `seconds`."""
    run_time_s(job, scratch)
    times = [run_time_s(job, scratch)]
    while sum(times) < seconds:
        times.append(run_time_s(job, scratch))
    return Measured(photos / statistics.median(times), peak_mb())


def run_time_s(job: Callable[[Path], object], scratch: Path) -> float:
    """How long `job` takes; what it writes into the folder that it is given is removed afterwards, off the clock."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        start = time.monotonic()
        job(Path(folder))
        return time.monotonic() - start


def peak_mb() -> float:
    """The peak resident memory of this process so far, plus what its workers hold now.

    Read from /proc, as `resource.getrusage` counts what the parent held at the fork. Memory that workers share is divided among
    them.
    """
    own = _field(Path("/proc/self/status"), "VmHWM")
    return (own + sum(_field(process / "smaps_rollup", "Pss") for process in _workers())) / KB_PER_MB


def _workers() -> list[Path]:
    """The processes that this one started, and those that they started."""
    processes = [path for path in Path("/proc").iterdir() if path.name.isdigit()]
    parents = {path: _field(path / "status", "PPid") for path in processes}
    found = [os.getpid()]
    for parent in found:
        found += [int(path.name) for path in processes if parents[path] == parent]
    return [Path("/proc", str(pid)) for pid in found[1:]]


def _field(path: Path, name: str) -> int:
    """A number in a file of /proc; 0 where the process has gone."""
    try:
        found = re.search(rf"^{name}:\s+(\d+)", path.read_text(), re.MULTILINE)
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(found.group(1)) if found else 0
