"""Average precision of the joint task, as COCO computes it (cocodataset.org, "Detection evaluation"; pycocotools' COCOeval).

Each photo has one true object and one detection: the model's best class, its score and its box. A detection is a true positive at a
threshold when the class is right and the IoU reaches it. The precision of a class is interpolated at 101 recalls; `ap_50` and
`ap_75` are its mean over recalls and over the classes that have photos, and `ap` the mean over the thresholds .5, .55, ... .95.
"""

import numpy as np
from numpy.typing import NDArray

from components.evaluate.predictions import Predictions

THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)


class AveragePrecision:
    """The average precision of `predictions` as a function of how often each photo counts, `weights` float64 `(n,)`.

    A photo that counts w times is w true objects with w detections of one score, one after the other. Interpolated precision is a
    maximum over what follows, so it is the same all along such a run: its end alone is looked at.
    """

    def __init__(self, predictions: Predictions):
        self._labels, self._classes = predictions.labels, len(predictions.classes)
        # by class and, within one, by score: the detections in the order in which COCO goes through them
        self._order = np.lexsort((-predictions.scores, predictions.predicted))
        predicted = predictions.predicted[self._order]
        self._starts = np.searchsorted(predicted, np.arange(self._classes))
        iou = np.where(predictions.right, predictions.iou, -1)[self._order]
        # COCO compares in double
        self._positives = [np.flatnonzero(iou.astype(np.float64) >= threshold) for threshold in THRESHOLDS]
        self._positive_classes = [predicted[rows] for rows in self._positives]

    def __call__(self, weights: NDArray[np.float64]) -> dict[str, float]:
        support = np.bincount(self._labels, weights, self._classes).astype(np.float64)
        ordered = weights[self._order]
        detections = np.concatenate([[0.0], np.cumsum(ordered)])
        before = detections[self._starts]
        by_threshold = [
            self._of_threshold(ordered[rows], detections[rows + 1] - before[classes], classes, support)
            for rows, classes in zip(self._positives, self._positive_classes, strict=True)
        ]
        return {"ap": float(np.mean(by_threshold)), "ap_50": by_threshold[0], "ap_75": by_threshold[5]}

    def _of_threshold(
        self,
        weights: NDArray[np.float64],
        detections: NDArray[np.float64],
        classes: NDArray[np.int32],
        support: NDArray[np.float64],
    ) -> float:
        """Of the true positives at one threshold: their `weights`, the `detections` of their class up to each, and their `classes`,
        all `(positives,)`; `support` `(classes,)` counts the true objects."""
        if not len(weights):
            return 0.0
        firsts = np.flatnonzero(np.diff(classes, prepend=-1))
        hits = np.concatenate([[0.0], np.cumsum(weights)])
        hits = hits[1:] - np.repeat(hits[firsts], np.diff(firsts, append=len(weights)))
        precision = hits / np.maximum(detections, 1)
        # the largest of what follows in the same class: offsets keep the classes apart
        offsets = 2.0 * (self._classes - classes)
        interpolated = np.maximum.accumulate((precision + offsets)[::-1])[::-1] - offsets
        reached = np.searchsorted(RECALLS, hits / np.maximum(support[classes], 1), side="right")
        new = np.diff(reached, prepend=0)
        new[firsts] = reached[firsts]
        return float(interpolated @ new / len(RECALLS) / np.count_nonzero(support))
