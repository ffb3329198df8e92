"""Runs a compiled pipeline on this machine with `kfp.local`; finished steps are reused.

Each step is a process of this Python, or in its container where a runner of `pipelines.containers` is given.
"""

import contextlib
import logging
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kfp
from kfp import local

from components.common.errors import UserError
from pipelines.progress import COLOR, Progress


@dataclass(frozen=True)
class Result:
    """What a run left: the folders of its dataset, its evaluation and, of the tuning pipeline, its trials; the verdict, how long it
    took and which steps were reused."""

    dataset: Path
    evaluation: Path
    tuning: Path | None
    blessed: bool
    seconds: float
    reused: list[str]


def run_locally(pipeline: Path, parameters: dict[str, Any], root: Path, runner: local.DockerRunner | None = None) -> Result:
    """Runs the pipeline in `pipeline` (YAML) with `root` for its artifacts, its cache, its checkpoints and `run.log`.

    Raises:
        UserError: a step failed; the message is the step's own.
    """
    given = {"checkpoints": str(root.absolute() / "checkpoints"), **parameters}
    outputs, progress, seconds = run_pipeline(pipeline, given, root, runner)
    return Result(
        dataset=Path(outputs["dataset"].path),
        evaluation=Path(outputs["evaluation"].path),
        tuning=Path(outputs["tuning"].path) if "tuning" in outputs else None,
        blessed=bool(outputs["blessed"]),
        seconds=seconds,
        reused=progress.reused,
    )


def run_pipeline(
    pipeline: Path, parameters: dict[str, Any], root: Path, runner: local.DockerRunner | None = None
) -> tuple[dict[str, Any], Progress, float]:
    """Runs any compiled pipeline, likewise; returns its outputs, what was shown, and the seconds it took.

    Raises:
        UserError: a step failed; the message is the step's own.
    """
    root.mkdir(parents=True, exist_ok=True)
    local.init(
        runner or local.SubprocessRunner(use_venv=False),
        pipeline_root=str(root / "artifacts"),
        enable_caching=True,
        cache_root=str(root / "cache"),
    )
    began = time.monotonic()
    with (root / "run.log").open("w") as log, Progress(log) as progress, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You may be attemping to run a task that uses custom or non-Python base image")
        warnings.filterwarnings("ignore", ".*have no effect in the current local runner")
        try:
            component = kfp.components.load_component_from_file(str(pipeline))
            with contextlib.redirect_stdout(progress), _info_logged_to(progress):
                outputs = component(**parameters).outputs
        except (RuntimeError, TypeError, ValueError) as error:
            raise UserError(f"{progress.reason or COLOR.sub('', str(error))} (whole log: {root / 'run.log'})") from error
    return outputs, progress, time.monotonic() - began


@contextlib.contextmanager
def _info_logged_to(stream: Progress) -> Iterator[None]:
    """kfp.local tells of a reused step through the root logger, at INFO."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    root.addHandler(logging.StreamHandler(stream))
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        # kfp.local's tasks, where they run side by side, leave handlers of each other behind
        root.handlers[:] = handlers
        root.setLevel(level)
