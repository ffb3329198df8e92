"""The verdict: a model is blessed when it reaches every minimum, and the reasons say in words which it reached and which not."""

from collections.abc import Mapping
from typing import Any

from components.common.errors import UserError


def check_minima(min_top1: float, min_mean_iou: float) -> None:
    """Both minima are shares.

    Raises:
        UserError: a minimum that is not in 0-1.
    """
    for name, minimum in (("min_top1", min_top1), ("min_mean_iou", min_mean_iou)):
        if not 0 <= minimum <= 1:
            raise UserError(f"{name}: expected a number in 0-1, received {minimum}")


def verdict(metrics: Mapping[str, Any], min_top1: float, min_mean_iou: float) -> tuple[bool, list[str]]:
    """Compares `top1` and `mean_iou` of `metrics` with the minima, all in 0-1; a minimum of 0 asks for nothing.

    Returns:
        Whether the model is blessed, and one sentence a minimum.
    """
    checks = [("Top-1 accuracy", metrics["top1"], min_top1), ("Mean IoU", metrics["mean_iou"], min_mean_iou)]
    return all(value >= minimum for _, value, minimum in checks), [_reason(*check) for check in checks]


def _reason(name: str, value: float, minimum: float) -> str:
    if minimum == 0:
        return f"{name} is {value:.4f}; no minimum was set."
    if value >= minimum:
        return f"{name} is {value:.4f}, which reaches the minimum of {minimum:g}."
    # so that a model that misses by a hair does not read "0.7000, below the minimum of 0.7"
    below = "below" if round(value, 4) < minimum else "a hair below"
    return f"{name} is {value:.4f}, {below} the minimum of {minimum:g}."
