"""The last check before a model is published: its evaluation must have blessed it, a server must have passed with it, and both must
be its own.

The pipeline asks evaluate's verdict already; deploy asks again, so that nothing but what was blessed leads into a repository.
"""

from pathlib import Path
from typing import Any

from components.common.errors import UserError
from components.common.evaluation import check_model, read_metrics
from components.common.fingerprint import fingerprint
from components.common.validation import Recorded, read_validation


def check(saved_model: Path, evaluation: Path) -> dict[str, Any]:
    """Reads the evaluation of a SavedModel and returns what its metrics.json holds.

    Raises:
        UserError: no evaluation there, one of another model, or one that refused it.
    """
    metrics = read_metrics(evaluation)
    if metrics.get("blessed") is not True:
        reasons = " ".join(metrics.get("reasons", []))
        raise UserError(
            f"{evaluation}: expected the evaluation of a blessed model, this one was refused: {reasons} Train a better one"
        )
    check_model(metrics, evaluation, saved_model)
    for name in ("top1", "mean_iou"):
        if not isinstance(metrics.get(name), float | int):
            raise UserError(f"{evaluation}: expected a number {name!r}, received {metrics.get(name)!r}; run evaluate again")
    return metrics


def check_validation(saved_model: Path, validation: Path) -> list[Recorded]:
    """Reads the validation of a SavedModel and returns the recorded requests that it passed with.

    Raises:
        UserError: no validation there, or one of another model.
    """
    report, requests = read_validation(validation)
    if report.get("model") != fingerprint(saved_model):
        raise UserError(
            f"{validation}: expected the validation of {saved_model}, received that of another model; run validate again"
        )
    return requests
