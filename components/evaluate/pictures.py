"""The pictures of an evaluation as PNG bytes, each for a light or a dark page."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from components.common.figures import NAMED_CLASSES, Theme, blank, class_ticks, dress, legend, png


def confusion(matrix: NDArray[np.int64], classes: Sequence[str], theme: Theme) -> bytes:
    """Confusion matrix, true classes as rows in the order of the ids, each row as shares of the class's photos."""
    count = len(classes)
    few = count <= NAMED_CLASSES
    side = 3.2 + 0.42 * count if few else 9.0
    figure, axes = _figure(theme, side + 1.0, side)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    colours = LinearSegmentedColormap.from_list("share", [theme.paper, theme.accent])
    image = axes.imshow(shares, cmap=colours, norm=PowerNorm(0.6, 0, 1), interpolation="nearest", aspect="equal")
    ticks, names = class_ticks(classes)
    axes.set_xticks(ticks, names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(ticks, names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    if few:
        for row, column in zip(*np.nonzero(matrix), strict=True):
            ink = theme.paper if shares[row, column] > 0.4 else theme.ink
            axes.text(column, row, str(matrix[row, column]), ha="center", va="center", color=ink, fontsize=9)
    bar = figure.colorbar(image, ax=axes, shrink=0.7, pad=0.02, ticks=[0, 0.1, 0.25, 0.5, 0.75, 1])
    bar.set_label("share of the true class's photos")
    dress(bar.ax, theme)
    return png(figure)


def iou_histogram(iou: NDArray[np.float32], baseline: float, theme: Theme) -> bytes:
    """How many boxes reached which IoU, with the usual marks .5 and .75 and what always answering the mean box gives."""
    figure, axes = _figure(theme, 5.6, 3.2)
    axes.hist(iou, bins=np.linspace(0, 1, 41).tolist(), color=theme.accent, edgecolor=theme.paper, linewidth=0.6)
    for mark in (0.5, 0.75):
        axes.axvline(mark, color=theme.ink, linewidth=1, linestyle=":")
        axes.text(mark, 1.02, f"{mark:g}", transform=axes.get_xaxis_transform(), ha="center", color=theme.ink)
    axes.axvline(float(iou.mean()), color=theme.ink, linewidth=1.8, label=f"mean {iou.mean():.3f}")
    axes.axvline(baseline, color=theme.second, linewidth=1.8, linestyle="--", label=f"always the mean box {baseline:.3f}")
    axes.set_xlim(0, 1)
    axes.set_xlabel("IoU of predicted and true box")
    axes.set_ylabel("photos")
    legend(axes, theme)
    return png(figure)


def curve_panels(history: pd.DataFrame) -> dict[str, list[str]]:
    """Which columns of a training's `history` to draw in which panel: those that end in "loss", and shares of 1, which end in
    "top1", "top5" or "iou"."""
    measured = [name for name in history.columns if history[name].notna().any()]
    panels = {
        "loss": [name for name in measured if name.endswith("loss")],
        "share": [name for name in measured if name.endswith(("top1", "top5", "iou"))],
    }
    return {title: names for title, names in panels.items() if names}


def training_curves(history: pd.DataFrame, panels: dict[str, list[str]], theme: Theme) -> bytes:
    """The columns of each panel by `epoch`, validation solid and training dotted."""
    figure = blank(theme, 5.6, 2.2 * len(panels) + 0.4)
    for axes, (title, names) in zip(figure.subplots(len(panels), 1, squeeze=False)[:, 0], panels.items(), strict=True):
        dress(axes, theme)
        measures = sorted({name.removeprefix("val_") for name in names})
        for name in sorted(names, key=lambda name: (name.removeprefix("val_"), name)):
            seen = history[["epoch", name]].dropna()
            colour = f"C{measures.index(name.removeprefix('val_'))}"
            style = "-" if name.startswith("val_") else ":"
            axes.plot(seen["epoch"], seen[name], style, marker="." if len(seen) < 30 else "", label=name, color=colour)
        axes.set_ylabel(title)
        legend(axes, theme)
    figure.axes[-1].set_xlabel("epoch")
    return png(figure)


def _figure(theme: Theme, width_in: float, height_in: float) -> tuple[Figure, Axes]:
    figure = blank(theme, width_in, height_in)
    axes = figure.add_subplot()
    dress(axes, theme)
    return figure, axes
