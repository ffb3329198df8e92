"""The figures of an evaluation, of photos that may count several times: with weights of 1 they are the figures, with the counts of
a resample they are the figures of that resample, so that `bootstrap` needs no second way to compute them.

Class ids are integers `0 <= id < classes`; IoU is that of `components.common.boxes`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.common import boxes
from components.evaluate.average_precision import AveragePrecision
from components.evaluate.bootstrap import interval, resampled, resamples_of, wilson
from components.evaluate.calibration import bin_of
from components.evaluate.predictions import Predictions

Floats = NDArray[np.float64]
IOU_MARKS = (0.5, 0.75, 0.9)
SHARES = ("top1", "top5", "iou_50", "iou_75", "iou_90")
LEANING = ("ap", "ap_50", "ap_75")
"""Of few photos a class they come out too high: interpolated precision is a maximum. Resamples show a third of that."""


@dataclass(frozen=True)
class ClassScores:
    """One value a class, shape `(classes,)`; `mean_iou` is NaN for a class without photos."""

    precision: Floats
    recall: Floats
    f1: Floats
    support: NDArray[np.int64]
    mean_iou: Floats


def confusion(predictions: Predictions) -> NDArray[np.int64]:
    """Photos per (true class, predicted class), shape `(classes, classes)`."""
    classes = len(predictions.classes)
    cells = predictions.labels.astype(np.int64) * classes + predictions.predicted
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def per_class(matrix: NDArray[np.int64], predictions: Predictions) -> ClassScores:
    """Scores of each class from the confusion `matrix` and the IoU of each photo.

    precision = TP / (TP + FP), recall = TP / (TP + FN), F1 = 2 TP / (2 TP + FP + FN) (Sokolova & Lapalme, "A systematic analysis
    of performance measures for classification tasks", 2009); 0 where a denominator is 0.
    """
    hits, support, answers = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    iou_sum = np.bincount(predictions.labels, weights=predictions.iou, minlength=len(matrix))
    return ClassScores(
        precision=_ratio(hits, answers, 0.0),
        recall=_ratio(hits, support, 0.0),
        f1=_ratio(2 * hits, support + answers, 0.0),
        support=support,
        mean_iou=_ratio(iou_sum, support, np.nan),
    )


class Figures:
    """The headline figures of `predictions`, as a function of how often each photo counts.

    Called with `weights` float64 `(n,)`, whole numbers >= 0 and not all 0, it returns, each in 0-1:

        top1, top5             share of photos whose class is the best, one of the best five answers
        mean_iou, median_iou   of the boxes
        iou_50, iou_75, iou_90 share of boxes with at least that IoU; exactly .5 counts, as in COCO
        macro_f1               mean F1 of the classes that occur, as a label or as an answer (the averaged F1 of Opitz & Burst,
        "Macro
                               F1 and Macro F1", 2019; what scikit-learn calls macro)
        weighted_f1            mean F1 of the classes, weighted by their photos
        ece                    expected calibration error, see `calibration`
        ap, ap_50, ap_75       average precision of the joint task, see `average_precision`
    """

    def __init__(self, predictions: Predictions):
        self.classes = len(predictions.classes)
        right, iou = predictions.right, predictions.iou.astype(np.float64)
        self._labels, self._predicted = predictions.labels, predictions.predicted
        self._right_labels, self._right_rows = predictions.labels[right], np.flatnonzero(right)
        # IoU is float32, so the marks are compared as float32: .9 is not a float32
        marks = [predictions.iou >= np.float32(mark) for mark in IOU_MARKS]
        self._shares = np.stack([right, predictions.ranks < 5, iou, *marks]).astype(np.float64)
        self._by_iou = np.argsort(iou, kind="stable")
        self._sorted_iou = iou[self._by_iou]
        self._bins = bin_of(predictions.scores)
        self._overconfidence = predictions.scores.astype(np.float64) - right
        self._average_precision = AveragePrecision(predictions)

    def __call__(self, weights: Floats) -> dict[str, float]:
        total = weights.sum()
        top1, top5, mean_iou, *shares = (self._shares @ weights / total).tolist()
        macro_f1, weighted_f1 = self._f1(weights)
        ece = np.abs(np.bincount(self._bins, weights * self._overconfidence)).sum() / total
        ap = self._average_precision(weights)
        return {
            "top1": top1,
            "top5": top5,
            "macro_f1": macro_f1,
            "weighted_f1": weighted_f1,
            "mean_iou": mean_iou,
            "median_iou": self._median_iou(weights),
            **{f"iou_{mark * 100:.0f}": share for mark, share in zip(IOU_MARKS, shares, strict=True)},
            **ap,
            "ece": float(ece),
        }

    def _f1(self, weights: Floats) -> tuple[float, float]:
        hits = np.bincount(self._right_labels, weights[self._right_rows], self.classes)
        support = np.bincount(self._labels, weights, self.classes)
        occurrences = support + np.bincount(self._predicted, weights, self.classes)
        f1 = _ratio(2 * hits, occurrences, 0.0)
        return float(f1[occurrences > 0].mean()), float(f1 @ support / support.sum())

    def _median_iou(self, weights: Floats) -> float:
        seen = np.cumsum(weights[self._by_iou])
        middle = (seen[-1] - 1) / 2
        low, high = np.searchsorted(seen, [np.floor(middle), np.ceil(middle)], side="right")
        return float((self._sorted_iou[low] + self._sorted_iou[high]) / 2)


def summary(predictions: Predictions) -> dict[str, Any]:
    """`photos`, `classes`, the figures of `Figures`, and `intervals`: of 95%, [low, high] by name; of the shares of photos
    Wilson's, of the others from so many `resamples`.
    """
    figures, photos = Figures(predictions), len(predictions)
    found, resamples = figures(np.ones(photos)), resamples_of(photos)
    spread = resampled(figures, photos, resamples)
    intervals = {name: np.clip(interval(found[name], values, name in LEANING), 0, 1).tolist() for name, values in spread.items()}
    intervals |= {name: [float(edge) for edge in wilson(found[name], photos)] for name in SHARES}
    return {"photos": photos, "classes": len(predictions.classes), **found, "intervals": intervals, "resamples": resamples}


class GatedFigures:
    """`top1` and `mean_iou` of `Figures` alone, which the gate asks for: a tenth of the work and of the memory."""

    def __init__(self, predictions: Predictions):
        self._values = np.stack([predictions.right, predictions.iou]).astype(np.float64)

    def __call__(self, weights: Floats) -> dict[str, float]:
        top1, mean_iou = (self._values @ weights / weights.sum()).tolist()
        return {"top1": top1, "mean_iou": mean_iou}


def mean_iou_of_always(relative_box: NDArray[np.float32], predictions: Predictions) -> float:
    """Mean IoU had the answer always been `relative_box`, `(4,)` in 0-1."""
    width, height = predictions.sizes.T
    return float(boxes.iou(boxes.to_pixels(relative_box, width, height), predictions.true_boxes).mean(dtype=np.float64))


def _ratio(numerator: NDArray[Any], denominator: NDArray[Any], otherwise: float) -> Floats:
    return np.divide(numerator, denominator, out=np.full(len(numerator), otherwise), where=denominator > 0)
