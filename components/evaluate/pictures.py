"""The pictures of an evaluation as PNG bytes, for where no page can be shown."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from components.common.figures import LIGHT, NAMED_CLASSES, blank, class_ticks, dress, legend, png


def confusion(matrix: NDArray[np.int64], classes: Sequence[str]) -> bytes:
    """Confusion matrix, true classes as rows in the order of the ids, each row as shares of the class's photos."""
    count = len(classes)
    few = count <= NAMED_CLASSES
    side = 3.2 + 0.42 * count if few else 9.0
    figure, axes = _figure(side + 1.0, side)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    colours = LinearSegmentedColormap.from_list("share", [LIGHT.paper, LIGHT.accent])
    image = axes.imshow(shares, cmap=colours, norm=PowerNorm(0.6, 0, 1), interpolation="nearest", aspect="equal")
    ticks, names = class_ticks(classes)
    axes.set_xticks(ticks, names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(ticks, names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    if few:
        for row, column in zip(*np.nonzero(matrix), strict=True):
            ink = LIGHT.paper if shares[row, column] > 0.4 else LIGHT.ink
            axes.text(column, row, str(matrix[row, column]), ha="center", va="center", color=ink, fontsize=9)
    bar = figure.colorbar(image, ax=axes, shrink=0.7, pad=0.02, ticks=[0, 0.1, 0.25, 0.5, 0.75, 1])
    bar.set_label("share of the true class's photos")
    dress(bar.ax, LIGHT)
    return png(figure)


def iou_histogram(iou: NDArray[np.float32], baseline: float) -> bytes:
    """How many boxes reached which IoU, with the usual marks .5 and .75 and what always answering the mean box gives."""
    figure, axes = _figure(5.6, 3.2)
    axes.hist(iou, bins=np.linspace(0, 1, 41).tolist(), color=LIGHT.accent, edgecolor=LIGHT.paper, linewidth=0.6)
    for mark in (0.5, 0.75):
        axes.axvline(mark, color=LIGHT.ink, linewidth=1, linestyle=":")
        axes.text(mark, 1.02, f"{mark:g}", transform=axes.get_xaxis_transform(), ha="center", color=LIGHT.ink)
    axes.axvline(float(iou.mean()), color=LIGHT.ink, linewidth=1.8, label=f"mean {iou.mean():.3f}")
    axes.axvline(baseline, color=LIGHT.second, linewidth=1.8, linestyle="--", label=f"always the mean box {baseline:.3f}")
    axes.set_xlim(0, 1)
    axes.set_xlabel("IoU of predicted and true box")
    axes.set_ylabel("photos")
    legend(axes, LIGHT)
    return png(figure)


def _figure(width_in: float, height_in: float) -> tuple[Figure, Axes]:
    figure = blank(LIGHT, width_in, height_in)
    axes = figure.add_subplot()
    dress(axes, LIGHT)
    return figure, axes
