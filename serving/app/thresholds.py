"""What is won and lost when answers below a confidence are withheld, "I do not know" being an answer.

Of n photos, those with a score >= the threshold are answered. Of the answers a share is right (precision, `TP / (TP + FP)`); of all
photos a share is answered (coverage), and a share is answered rightly (recall, `TP / (TP + FN)`).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """One value a threshold, `(t,)` each, thresholds rising from 0; precision is NaN where nothing is answered."""

    threshold: Floats
    precision: Floats
    recall: Floats
    coverage: Floats

    def at(self, threshold: float) -> tuple[float, float, float]:
        """(precision, recall, coverage): of the next higher threshold on the curve, which is the same as at `threshold`."""
        place = int(np.searchsorted(self.threshold, threshold))
        if place == len(self.threshold):
            return float("nan"), 0.0, 0.0
        return float(self.precision[place]), float(self.recall[place]), float(self.coverage[place])

    def lowest_with(self, precision: float) -> float | None:
        """The lowest threshold at which precision is at least `precision`, and stays so where anything is answered; None: none."""
        short = np.flatnonzero(self.precision < precision)
        first = 0 if not len(short) else int(short[-1]) + 1
        reached = first < len(self.threshold) and not np.isnan(self.precision[first])
        return float(self.threshold[first]) if reached else None


def curve(rows: pd.DataFrame, label: int | None = None) -> Curve:
    """The curve of predictions with columns label, predicted, score. Thresholds are the scores that occur, and 0.

    Of one class, precision is that of the answers that name it, recall and coverage are those of its own photos.
    """
    scores = rows["score"].to_numpy(np.float64)
    right = (rows["label"] == rows["predicted"]).to_numpy()
    own = np.ones(len(rows), bool) if label is None else (rows["label"] == label).to_numpy()
    named = np.ones(len(rows), bool) if label is None else (rows["predicted"] == label).to_numpy()
    threshold = np.unique(np.concatenate([[0.0], scores[own | named]]))
    hits, answers, answered = (_at_least(scores[chosen], threshold) for chosen in (own & right, named, own))
    photos = max(int(own.sum()), 1)
    precision = np.divide(hits, answers, out=np.full(len(threshold), np.nan), where=answers > 0)
    return Curve(threshold, precision, hits / photos, answered / photos)


def by_class(rows: pd.DataFrame, classes: list[str], threshold: float) -> pd.DataFrame:
    """A row a class that occurs: its photos, and precision, recall and coverage at `threshold`."""
    answered = (rows["score"] >= threshold).to_numpy()
    right = (rows["label"] == rows["predicted"]).to_numpy()
    labels, predicted = rows["label"].to_numpy(), rows["predicted"].to_numpy()
    count = len(classes)
    photos = np.bincount(labels, minlength=count)
    hits = np.bincount(labels[answered & right], minlength=count)
    answers = np.bincount(predicted[answered], minlength=count)
    table = pd.DataFrame(
        {
            "class": classes,
            "photos": photos,
            "precision": np.divide(hits, answers, out=np.full(count, np.nan), where=answers > 0),
            "recall": hits / np.maximum(photos, 1),
            "coverage": np.bincount(labels[answered], minlength=count) / np.maximum(photos, 1),
        }
    )
    return table[(photos > 0) | (answers > 0)].reset_index(drop=True)


def around(rows: pd.DataFrame, threshold: float, photos: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The `photos` least sure answers that are given, and the surest that are withheld, the nearest to the threshold first."""
    given = rows["score"] >= threshold
    return (
        rows[given].sort_values("score", kind="stable").head(photos),
        rows[~given].sort_values("score", ascending=False, kind="stable").head(photos),
    )


def _at_least(scores: Floats, threshold: Floats) -> Floats:
    """How many of `scores` are >= each threshold."""
    return (len(scores) - np.searchsorted(np.sort(scores), threshold, side="left")).astype(np.float64)
