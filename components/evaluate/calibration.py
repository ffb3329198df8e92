"""Whether a score of 80% is right in 80% of the photos: the reliability curve and the expected calibration error.

Guo et al., "On calibration of modern neural networks", 2017: fifteen equal bins of confidence, each closed on its right; the error
is the mean gap between confidence and accuracy of the bins, weighted by their photos.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.evaluate.predictions import Predictions

BINS = 15


def bin_of(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """The bin of each score, 0-14; bin i holds i/15 < score <= (i + 1)/15, and a score of 0 is in bin 0."""
    return np.clip(np.ceil(scores.astype(np.float64) * BINS).astype(np.int64) - 1, 0, BINS - 1)


def reliability(predictions: Predictions) -> list[dict[str, Any]]:
    """One entry a bin: its edges `low` and `high`, `photos`, and their mean `confidence` and `accuracy`, None without photos."""
    bins = bin_of(predictions.scores)
    photos = np.bincount(bins, minlength=BINS)
    confidence = np.bincount(bins, predictions.scores, BINS) / np.maximum(photos, 1)
    accuracy = np.bincount(bins, predictions.right, BINS) / np.maximum(photos, 1)
    return [
        {
            "low": i / BINS,
            "high": (i + 1) / BINS,
            "photos": int(photos[i]),
            "confidence": float(confidence[i]) if photos[i] else None,
            "accuracy": float(accuracy[i]) if photos[i] else None,
        }
        for i in range(BINS)
    ]
