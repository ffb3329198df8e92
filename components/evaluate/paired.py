"""Two models on the same photos: what they differ by, and how sure that is. Each resample draws the same photos for both, so what
is hard for both does not blur the difference.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.common.errors import UserError
from components.evaluate.bootstrap import LEVEL, Statistic, interval, resampled, resamples_of, share_difference, unbiased
from components.evaluate.metrics import Figures
from components.evaluate.predictions import Predictions, reordered

BOX_TOLERANCE_PX = 0.01


@dataclass(frozen=True)
class Difference:
    """Second minus first: the `difference`, its 95% interval from `low` to `high`, and `at_least`, which it exceeds with 95%
    confidence (one-sided)."""

    difference: float
    low: float
    high: float
    at_least: float


def align(first: Predictions, second: Predictions) -> tuple[Predictions, Predictions]:
    """Both with the photos in the order of the first, and with the same ids: the first's classes, then those that only the second
    knows.

    Raises:
        UserError: the photos are not the same, or their classes, boxes or sizes are not.
    """
    second = reordered(second, _rows(first.files.to_pylist(), second.files.to_pylist()))
    classes = list(dict.fromkeys([*first.classes, *second.classes]))
    ids = np.array([classes.index(name) for name in second.classes], np.int32)
    first = dataclasses.replace(first, classes=classes)
    second = dataclasses.replace(second, classes=classes, labels=ids[second.labels], predicted=ids[second.predicted])
    same = (
        (first.labels == second.labels)
        & (np.abs(first.true_boxes - second.true_boxes) <= BOX_TOLERANCE_PX).all(axis=1)
        & (first.sizes == second.sizes).all(axis=1)
    )
    if not same.all():
        one = first.files[int(np.argmin(same))].as_py()
        raise UserError(
            f"test sets differ: of {len(same)} photos of the same names {np.count_nonzero(~same)} have another class, box or size "
            f"(one is {one!r}); evaluate both on the same records"
        )
    return first, second


def differences(
    first: Predictions, second: Predictions, figures: Callable[[Predictions], Statistic] = Figures
) -> dict[str, Difference]:
    """Every one of `figures`, `top1` among them, second minus first, by paired bootstrap, of what `align` returns."""
    of_first, of_second, photos = figures(first), figures(second), len(first)

    def difference(weights: NDArray[np.float64]) -> dict[str, float]:
        before, after = of_first(weights), of_second(weights)
        return {name: after[name] - before[name] for name in before}

    found = difference(np.ones(photos))
    spread = resampled(difference, photos, resamples_of(photos))
    differing = {name: _difference(found[name], values) for name, values in spread.items()}
    return differing | {"top1": _widened(differing["top1"], first, second)}


def _rows(names: list[str], others: list[str]) -> NDArray[np.int64]:
    """Where among `others` each of `names` is."""
    places = {name: row for row, name in enumerate(others)}
    if len(places) < len(others) or len(set(names)) < len(names):
        raise UserError("test sets: expected every photo once, found some twice")
    ours, theirs = [name for name in names if name not in places], sorted(places.keys() - set(names))
    if ours or theirs:
        raise UserError(
            f"test sets differ: expected the same photos, {len(ours)} of {len(names)} are in the first alone and {len(theirs)} of "
            f"{len(others)} in the second alone (one is {(ours or theirs)[0]!r}); evaluate both on the same records"
        )
    return np.array([places[name] for name in names])


def _difference(found: float, values: NDArray[np.float64]) -> Difference:
    low, high = interval(found, values)
    return Difference(found, low, high, float(np.quantile(unbiased(found, values), 1 - LEVEL)))


def _widened(top1: Difference, first: Predictions, second: Predictions) -> Difference:
    """Not narrower than `share_difference`, for models that differ on few photos."""
    counts = np.count_nonzero(second.right & ~first.right), np.count_nonzero(first.right & ~second.right), len(first)
    low, high = share_difference(*counts, (1 + LEVEL) / 2)
    at_least, _ = share_difference(*counts, LEVEL)
    return Difference(top1.difference, min(top1.low, float(low)), max(top1.high, float(high)), min(top1.at_least, float(at_least)))
