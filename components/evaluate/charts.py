"""The report's charts: each picture twice, for a light and for a dark page, with its words for those who cannot see it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.common.figures import DARK, LIGHT
from components.evaluate import pictures

THEMES = (LIGHT, DARK)


@dataclass(frozen=True)
class Chart:
    """One chart as PNG bytes."""

    title: str
    words: str
    light: bytes
    dark: bytes


@dataclass(frozen=True)
class Charts:
    """`training` is None where there is no history, or none to draw."""

    confusion: Chart
    iou: Chart
    training: Chart | None


def draw(
    matrix: NDArray[np.int64], classes: list[str], iou: NDArray[np.float32], baseline: float, history: pd.DataFrame | None
) -> Charts:
    """Draws the confusion `matrix` `(classes, classes)`, the `iou` `(n,)` beside the mean `baseline`, and the `history`."""
    return Charts(
        Chart(
            "Confusion",
            "Heat map of true classes (rows) against predicted classes (columns); the numbers are in confusion.csv",
            *(pictures.confusion(matrix, classes, theme) for theme in THEMES),
        ),
        Chart(
            "Boxes",
            f"Histogram of IoU: mean {iou.mean():.3f}, always the mean box {baseline:.3f}",
            *(pictures.iou_histogram(iou, baseline, theme) for theme in THEMES),
        ),
        None if history is None else _training(history),
    )


def _training(history: pd.DataFrame) -> Chart | None:
    panels = pictures.curve_panels(history)
    if not panels:
        return None
    words = f"Training curves over {len(history)} epochs"
    return Chart("Training", words, *(pictures.training_curves(history, panels, theme) for theme in THEMES))
