"""The tables of an evaluation, as data frames: confusion, scores per class, most confused pairs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.evaluate.metrics import ClassScores


def confusion(matrix: NDArray[np.int64], classes: Sequence[str]) -> pd.DataFrame:
    """Photos per true class (rows) and predicted class (columns), both by name in the order of the ids."""
    return pd.DataFrame(matrix, index=pd.Index(classes, name="true \\ predicted"), columns=list(classes))


def per_class(scores: ClassScores, classes: Sequence[str]) -> pd.DataFrame:
    """One row a class, in the order of the ids; `mean_iou` is empty for a class without photos."""
    return pd.DataFrame(
        {
            "class": list(classes),
            "precision": scores.precision,
            "recall": scores.recall,
            "f1": scores.f1,
            "support": scores.support,
            "mean_iou": scores.mean_iou,
        }
    )


def confused_pairs(matrix: NDArray[np.int64], classes: Sequence[str], most: int) -> list[dict[str, Any]]:
    """Up to `most` pairs of classes that were mixed up, most photos first: `true`, `predicted`, `photos`, and `share` of the true
    class's photos."""
    wrong = matrix - np.diag(np.diag(matrix))
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    pairs = zip(*np.unravel_index(order, matrix.shape), strict=True)
    return [
        {"true": classes[a], "predicted": classes[b], "photos": int(wrong[a, b]), "share": wrong[a, b] / matrix[a].sum()}
        for a, b in pairs
        if wrong[a, b] > 0
    ]
