"""The figures of an evaluation, pure NumPy on arrays: every photo counts once, and every class counts once in macro F1.

Class ids are integers `0 <= id < classes`; IoU is that of `components.common.boxes`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int32]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ClassScores:
    """One value a class, shape `(classes,)`; `mean_iou` is NaN for a class without photos."""

    precision: Floats
    recall: Floats
    f1: Floats
    support: NDArray[np.int64]
    mean_iou: Floats


def top_k(labels: Ids, ranked: Ids, k: int) -> float:
    """Share of photos whose true class is among the first `k` answers; `labels` `(n,)`, `ranked` `(n, answers)`, best first."""
    return float(np.any(ranked[:, :k] == labels[:, None], axis=1).mean())


def confusion(labels: Ids, predicted: Ids, classes: int) -> NDArray[np.int64]:
    """Photos per (true class, predicted class), shape `(classes, classes)`."""
    return np.bincount(labels.astype(np.int64) * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def per_class(matrix: NDArray[np.int64], labels: Ids, iou: NDArray[np.float32]) -> ClassScores:
    """Scores of each class from its confusion matrix and the IoU of each photo.

    precision = TP / (TP + FP), recall = TP / (TP + FN), F1 = 2 TP / (2 TP + FP + FN) (Sokolova & Lapalme, "A systematic analysis
    of performance measures for classification tasks", 2009); 0 where a denominator is 0.
    """
    hits, support, answers = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    iou_sum = np.bincount(labels, weights=iou, minlength=len(matrix))
    return ClassScores(
        precision=_ratio(hits, answers, 0.0),
        recall=_ratio(hits, support, 0.0),
        f1=_ratio(2 * hits, support + answers, 0.0),
        support=support,
        mean_iou=_ratio(iou_sum, support, np.nan),
    )


def macro_f1(matrix: NDArray[np.int64], f1: Floats) -> float:
    """Mean F1 of the classes that occur, as a label or as an answer (the averaged F1 of Opitz & Burst, "Macro F1 and Macro F1",
    2019; what scikit-learn calls macro)."""
    return float(f1[(matrix.sum(axis=0) + matrix.sum(axis=1)) > 0].mean())


def summary(labels: Ids, ranked: Ids, iou: NDArray[np.float32], baseline_iou: NDArray[np.float32], classes: int) -> dict[str, Any]:
    """The headline figures of `n >= 1` photos.

    `iou` and `baseline_iou` have shape `(n,)`: of the predicted boxes, and of always answering the mean training box. A box
    counts towards `iou_50` from an IoU of exactly .5 on, as in COCO's average precision.
    """
    matrix = confusion(labels, ranked[:, 0], classes)
    return {
        "top1": top_k(labels, ranked, 1),
        "top5": top_k(labels, ranked, 5),
        "mean_iou": _mean(iou),
        "median_iou": float(np.median(iou)),
        "iou_50": float((iou >= 0.5).mean()),
        "iou_75": float((iou >= 0.75).mean()),
        "mean_box_iou_baseline": _mean(baseline_iou),
        "macro_f1": macro_f1(matrix, per_class(matrix, labels, iou).f1),
        "photos": len(labels),
        "classes": classes,
    }


def _mean(values: NDArray[np.float32]) -> float:
    return float(values.mean(dtype=np.float64))


def _ratio(numerator: NDArray[Any], denominator: NDArray[Any], otherwise: float) -> Floats:
    return np.divide(numerator, denominator, out=np.full(len(numerator), otherwise), where=denominator > 0)
