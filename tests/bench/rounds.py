"""Every measurement in a process of its own, one after the other, in rounds: what disturbs the machine disturbs all alike."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from components.common.errors import UserError
from components.common.progress import track
from tests.bench.photo_set import PhotoSet

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "2"}


@dataclass(frozen=True)
class Job:
    """One measurement: a name that `measure.py` knows, the set to measure it on, and the smallest set where it is about growth."""

    name: str
    photos: PhotoSet
    smallest: PhotoSet | None = None


def measure(jobs: Sequence[Job], rounds: int, seconds: float) -> dict[Job, list[dict[str, float]]]:
    """What each job gave in each round.

    Raises:
        UserError: a measurement failed; its own words are on stderr.
    """
    results: dict[Job, list[dict[str, float]]] = {job: [] for job in jobs}
    for job in track([job for _ in range(rounds) for job in jobs], "measuring"):
        results[job].append(run(job, seconds))
    return results


def run(job: Job, seconds: float) -> dict[str, float]:
    """One measurement."""
    command = [sys.executable, "-m", "tests.bench.measure", job.name, job.photos.source, job.photos.work, "--seconds", seconds]
    if job.smallest:
        command += ["--smallest", job.smallest.source, job.smallest.work]
    ended = subprocess.run([str(word) for word in command], capture_output=True, text=True, cwd=ROOT, env=os.environ | ENVIRONMENT)
    if ended.returncode:
        sys.stderr.write(ended.stderr)
        raise UserError(f"{job.name}: measuring it failed with status {ended.returncode}, see above")
    return json.loads(ended.stdout.splitlines()[-1])
