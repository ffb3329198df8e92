"""The verdict: a model is blessed when it reaches every minimum, and the reasons say in words which it reached and which not."""

import math
from collections.abc import Mapping
from typing import Any

from components.common.errors import UserError


def verdict(metrics: Mapping[str, Any], min_top1: float, min_mean_iou: float) -> tuple[bool, list[str]]:
    """Compares `top1` and `mean_iou` of `metrics` with the minima, all in 0-1; a minimum of 0 asks for nothing.

    Returns:
        Whether the model is blessed, and one sentence a minimum.

    Raises:
        UserError: a minimum that is not in 0-1.
    """
    checks = [("Top-1 accuracy", "top1", min_top1), ("Mean IoU", "mean_iou", min_mean_iou)]
    reasons, blessed = [], True
    for name, key, minimum in checks:
        if math.isnan(minimum) or not 0 <= minimum <= 1:
            raise UserError(f"min_{key}: expected a number in 0-1, received {minimum}")
        reached = metrics[key] >= minimum
        blessed = blessed and reached
        if minimum == 0:
            reasons.append(f"{name} is {metrics[key]:.4f}; no minimum was set.")
        else:
            reasons.append(f"{name} is {metrics[key]:.4f}, {_relation(metrics[key], minimum)} the minimum of {minimum:g}.")
    return blessed, reasons


def _relation(value: float, minimum: float) -> str:
    if value >= minimum:
        return "which reaches"
    # so that a model that misses by a hair does not read "0.7000 ... the minimum of 0.7"
    return "below" if round(value, 4) < minimum else f"a hair ({minimum - value:.1g}) below"
