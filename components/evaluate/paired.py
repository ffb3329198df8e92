"""Two models on the same photos: what they differ by, and how sure that is. Each resample draws the same photos for both, so what
is hard for both does not blur the difference.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.common.errors import UserError
from components.evaluate.bootstrap import LEVEL, interval, resampled, resamples_of, unbiased
from components.evaluate.metrics import Figures
from components.evaluate.predictions import Predictions

BOX_TOLERANCE_PX = 0.01


@dataclass(frozen=True)
class Difference:
    """Second minus first: the `difference`, its 95% interval from `low` to `high`, and `at_least`, which it exceeds with 95%
    confidence (one-sided)."""

    difference: float
    low: float
    high: float
    at_least: float


def align(first: Predictions, second: Predictions) -> NDArray[np.int64]:
    """For each photo of `first` its row in `second`, `(n,)`.

    Raises:
        UserError: the photos are not the same, or their classes, boxes or sizes are not.
    """
    names, others = first.files.to_pylist(), second.files.to_pylist()
    places = {name: row for row, name in enumerate(others)}
    if len(places) < len(others) or len(set(names)) < len(names):
        raise UserError("test sets: expected every photo once, found some twice")
    ours, theirs = [name for name in names if name not in places], sorted(places.keys() - set(names))
    if ours or theirs:
        one = (ours or theirs)[0]
        raise UserError(
            f"test sets differ: expected the same photos, {len(ours)} of {len(names)} are in the first alone and {len(theirs)} of "
            f"{len(others)} in the second alone (one is {one!r}); evaluate both on the same records"
        )
    rows = np.array([places[name] for name in names])
    classes = np.array(first.classes, object)[first.labels] == np.array(second.classes, object)[second.labels[rows]]
    same = (
        classes
        & (np.abs(first.true_boxes - second.true_boxes[rows]) <= BOX_TOLERANCE_PX).all(axis=1)
        & (first.sizes == second.sizes[rows]).all(axis=1)
    )
    if not same.all():
        raise UserError(
            f"test sets differ: of {len(names)} photos of the same names {np.count_nonzero(~same)} have another class, box or size "
            f"(one is {names[int(np.argmin(same))]!r}); evaluate both on the same records"
        )
    return rows


def differences(first: Predictions, second: Predictions) -> dict[str, Difference]:
    """Every figure of `metrics.Figures`, second minus first, by paired bootstrap.

    Raises:
        UserError: they are not of the same photos, see `align`.
    """
    rows = align(first, second)
    of_first, of_second = Figures(first), Figures(second)
    order = np.argsort(rows)

    def difference(weights: NDArray[np.float64]) -> dict[str, float]:
        before, after = of_first(weights), of_second(weights[order])
        return {name: after[name] - before[name] for name in before}

    found = difference(np.ones(len(rows)))
    spread = resampled(difference, len(rows), resamples_of(len(rows)))
    return {name: _difference(found[name], values) for name, values in spread.items()}


def _difference(found: float, values: NDArray[np.float64]) -> Difference:
    low, high = interval(found, values)
    return Difference(found, low, high, float(np.quantile(unbiased(found, values), 1 - LEVEL)))
