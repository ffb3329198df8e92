"""The figures of parts of the test photos: by make, body type and year, by how the car and the photo look, by the model's
confidence.

Few photos say little, so each figure has its 95% interval: Wilson's for top-1 (Wilson, 1927), Student's for the mean IoU.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from components.common import boxes
from components.evaluate.bootstrap import LEVEL, wilson
from components.evaluate.class_names import traits
from components.evaluate.predictions import Predictions

JUDGED_PHOTOS = 10
"""A slice of fewer photos is shown, but neither called weak nor held against a model."""
DIMENSIONS = ("make", "body", "year", "box size", "box aspect", "photo size", "confidence")
NO_VALUE = "none named"
COLUMNS = ["photos", "top1", "top1_low", "top1_high", "mean_iou", "mean_iou_low", "mean_iou_high"]


def names(predictions: Predictions) -> dict[str, pd.Categorical]:
    """Which slice each photo is in, `n` values a dimension; dimensions that tell no photos apart are left out.

    Dimensions: `make`, `body` and `year` of the true class; `box size`, the box's share of the photo; `box aspect`, its width by
    its height; `photo size`, the longer side in pixels; `confidence`, the score of the answer.
    """
    width, height = predictions.sizes.T
    box_width, box_height = (predictions.true_boxes[:, 2:] - predictions.true_boxes[:, :2]).T
    share = boxes.area(predictions.true_boxes) / np.maximum(width * height, 1)
    found = {
        **_of_classes(predictions),
        "box size": _between(share, [0.25, 0.5, 0.75], "{:.0%}".format),
        "box aspect": _between(box_width / np.maximum(box_height, 1e-6), [1.0, 1.5, 2.0, 2.5], "{:g}".format),
        "photo size": _between(np.maximum(width, height), [128, 256, 512, 1024], "{:g} px".format),
        "confidence": _between(predictions.scores, [0.5, 0.8, 0.95], "{:.0%}".format),
    }
    return {dimension: values for dimension, values in found.items() if len(values.unique()) > 1}


def table(predictions: Predictions, top1: float) -> pd.DataFrame:
    """One row a slice, a dimension after the other: `dimension`, `value`, `photos`, `top1` and `mean_iou` with `_low` and `_high`,
    and `weak`: at least 10 photos, and even the high end of its top-1 is below `top1`, that of all photos.
    """
    parts = [_figures(predictions, values).assign(dimension=dimension) for dimension, values in names(predictions).items()]
    if not parts:
        return pd.DataFrame(columns=["dimension", "value", *COLUMNS, "weak"])
    rows = pd.concat(parts, ignore_index=True)
    rows["weak"] = (rows["photos"] >= JUDGED_PHOTOS) & (rows["top1_high"] < top1) & (rows["dimension"] != "confidence")
    return rows[["dimension", "value", *COLUMNS, "weak"]]


def _of_classes(predictions: Predictions) -> dict[str, pd.Categorical]:
    of_class = [traits(name) for name in predictions.classes]
    columns = {
        "make": [each.make for each in of_class],
        "body": [each.body or NO_VALUE for each in of_class],
        "year": [each.year or NO_VALUE for each in of_class],
    }
    return {dimension: pd.Categorical(values).take(predictions.labels) for dimension, values in columns.items()}


def _between(values: NDArray[Any], edges: list[float], words: Callable[[float], str]) -> pd.Categorical:
    inner = [f"{words(low)} to {words(high)}" for low, high in pairwise(edges)]
    labels = [f"under {words(edges[0])}", *inner, f"{words(edges[-1])} or more"]
    return pd.Categorical(np.array(labels, object)[np.searchsorted(edges, values, side="right")], labels)


def _figures(predictions: Predictions, values: pd.Categorical) -> pd.DataFrame:
    photos = pd.DataFrame({"value": values, "right": predictions.right, "iou": predictions.iou.astype(np.float64)})
    grouped = photos.groupby("value", observed=True)
    rows = grouped.agg(photos=("right", "size"), hits=("right", "sum"), mean_iou=("iou", "mean"), sem=("iou", "sem")).reset_index()
    count, hits = rows["photos"].to_numpy(float), rows["hits"].to_numpy(float)
    low, high = wilson(hits / count, count)
    reach = rows["sem"].to_numpy() * stats.t.ppf((1 + LEVEL) / 2, np.maximum(count - 1, 1))
    iou = rows["mean_iou"].to_numpy()
    return pd.DataFrame(
        {
            "value": rows["value"].astype(str),
            "photos": rows["photos"],
            "top1": hits / count,
            "top1_low": low,
            "top1_high": high,
            "mean_iou": iou,
            # of a single photo nothing is known
            "mean_iou_low": np.clip(np.where(count > 1, iou - reach, 0), 0, 1),
            "mean_iou_high": np.clip(np.where(count > 1, iou + reach, 1), 0, 1),
        }
    )
