"""validate: a SavedModel is served by a fresh process, asked what evaluation asked it, and measured, before anyone else sees it.

What it writes, `components/common/validation.py` lists; the folder is there whole or not at all, and only of a model that passed.
"""

import dataclasses
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from components.common.evaluation import check_model, read_metrics
from components.common.validation import BOX_TOLERANCE, REPORT, SCHEMA, SCORE_TOLERANCE, write_requests
from components.common.whole import whole_folder
from components.validate.failures import (
    DoesNotLoadError,
    OtherAnswersError,
    TooLargeError,
    TooSlowError,
    ValidationError,
)
from components.validate.limits import Limits
from components.validate.replay import Latency, replay
from components.validate.requests import record
from components.validate.server import NotStartedError, serving


def run(
    saved_model: Path,
    evaluation: Path,
    records: Sequence[Path],
    output: Path,
    *,
    limits: Limits | None = None,
    model: str = "marque",
) -> dict[str, Any]:
    """Validates `saved_model` and writes the folder `output`.

    Args:
        saved_model: what export wrote.
        evaluation: what evaluate wrote about it.
        records: the folders that shard wrote, those of the evaluation.
        output: the folder to write; an earlier validation there is replaced.
        limits: what is asked of the model; by default where None.
        model: the name under which it is served.

    Returns:
        What validation.json holds: `schema`, `model` (the SavedModel's fingerprint), `photos`, `load_s`, `latency_ms` of `p50` and
        `p99` over `requests` single photos, `peak_memory_mb` (None where the system does not tell), `tolerances`, `limits`.

    Raises:
        ValidationError: the model must not be pushed; its subclasses say why.
        UserError: no SavedModel, evaluation or records there, or an evaluation of another model.
    """
    limits = limits or Limits()
    metrics = read_metrics(evaluation)
    identity = check_model(metrics, evaluation, saved_model)
    requests = record(evaluation, records, metrics["split"], limits.photos)
    with whole_folder(output, REPORT) as folder:
        try:
            load_s, latency, memory_mb = _measure(saved_model, model, requests, limits)
        except ValidationError as error:
            raise type(error)(f"{saved_model}: not pushed: {error}") from None
        report = {
            "schema": SCHEMA,
            "model": identity,
            "photos": len(requests),
            "load_s": round(load_s, 2),
            "latency_ms": {"p50": latency.p50_ms, "p99": latency.p99_ms},
            "requests": latency.requests,
            "peak_memory_mb": memory_mb,
            "tolerances": {"score": SCORE_TOLERANCE, "box": BOX_TOLERANCE},
            "limits": dataclasses.asdict(limits),
        }
        write_requests(folder, requests)
        (folder / REPORT).write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    Console(highlight=False, soft_wrap=True).print(
        f"validate: {len(requests)} photos answered as evaluated; p50 {latency.p50_ms:.1f} ms, p99 {latency.p99_ms:.1f} ms, "
        f"peak memory {'unknown' if memory_mb is None else f'{memory_mb:.0f} MB'}, loaded in {load_s:.1f} s",
        markup=False,
    )
    return report


def _measure(saved_model: Path, model: str, requests: Sequence[Any], limits: Limits) -> tuple[float, Latency, float | None]:
    """Seconds until the server answered, the latency of a photo, and the server's peak memory in MB."""
    began = time.monotonic()
    until = began + limits.deadline_s
    with tempfile.TemporaryDirectory() as repository:
        (Path(repository) / model).mkdir()
        (Path(repository) / model / "1").symlink_to(saved_model.absolute(), target_is_directory=True)
        try:
            with serving([f"--repository={repository}", f"--model={model}"], until) as server:
                load_s = time.monotonic() - began
                try:
                    latency = replay(server.address, model, requests, limits.photos, until)
                except OtherAnswersError:
                    if server.process.poll() is not None:
                        raise DoesNotLoadError(
                            f"the server ended (status {server.process.returncode}) while it answered requests"
                        ) from None
                    raise
                memory_mb = server.peak_memory_mb()
        except NotStartedError as error:
            raise DoesNotLoadError(f"expected a server to load it within {limits.deadline_s:g} s: {error}") from None
    if latency.p99_ms > limits.max_p99_ms:
        raise TooSlowError(
            f"expected one photo within max_p99_ms {limits.max_p99_ms:g}, measured p99 {latency.p99_ms:g} (p50 {latency.p50_ms:g}) "
            f"over {latency.requests} requests"
        )
    if memory_mb is not None and memory_mb > limits.max_memory_mb:
        raise TooLargeError(
            f"expected a server within max_memory_mb {limits.max_memory_mb:g}, measured a peak of {memory_mb:.0f} MB"
        )
    return load_s, latency, memory_mb
