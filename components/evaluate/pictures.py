"""The pictures of an evaluation as PNG bytes, each for a light or a dark page. No global plotting state."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

NAMED_CLASSES = 24  # up to here every class has its name and every cell its count
TICKS = 14
NAME_CHARACTERS = 32


@dataclass(frozen=True)
class Theme:
    """Colours of a page."""

    paper: str
    ink: str
    quiet: str
    accent: str
    second: str


LIGHT = Theme(paper="#ffffff", ink="#1c2430", quiet="#c9d0da", accent="#1f5fbf", second="#c8372d")
DARK = Theme(paper="#161c26", ink="#e4e9f1", quiet="#3a4657", accent="#6ea8ff", second="#ff7b6e")


def confusion(matrix: NDArray[np.int64], classes: Sequence[str], theme: Theme) -> bytes:
    """Confusion matrix, true classes as rows in the order of the ids, each row as shares of the class's photos."""
    count = len(classes)
    few = count <= NAMED_CLASSES
    side = 3.2 + 0.42 * count if few else 9.0
    figure, axes = _figure(theme, side + 1.0, side)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    colours = LinearSegmentedColormap.from_list("share", [theme.paper, theme.accent])
    image = axes.imshow(shares, cmap=colours, norm=PowerNorm(0.6, 0, 1), interpolation="nearest", aspect="equal")
    ticks = range(count) if few else sorted({round(tick) for tick in np.linspace(0, count - 1, TICKS)})
    names = [_short(classes[tick]) for tick in ticks]
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
    _dress(bar.ax, theme)
    return _png(figure)


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
    _legend(axes, theme)
    return _png(figure)


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
    figure = Figure((5.6, 2.2 * len(panels) + 0.4), layout="constrained", facecolor=theme.paper)
    for axes, (title, names) in zip(figure.subplots(len(panels), 1, squeeze=False)[:, 0], panels.items(), strict=True):
        _dress(axes, theme)
        measures = sorted({name.removeprefix("val_") for name in names})
        for name in sorted(names, key=lambda name: (name.removeprefix("val_"), name)):
            seen = history[["epoch", name]].dropna()
            colour = f"C{measures.index(name.removeprefix('val_'))}"
            style = "-" if name.startswith("val_") else ":"
            axes.plot(seen["epoch"], seen[name], style, marker="." if len(seen) < 30 else "", label=name, color=colour)
        axes.set_ylabel(title)
        _legend(axes, theme)
    figure.axes[-1].set_xlabel("epoch")
    return _png(figure)


def _figure(theme: Theme, width_in: float, height_in: float) -> tuple[Figure, Axes]:
    figure = Figure((width_in, height_in), layout="constrained", facecolor=theme.paper)
    axes = figure.add_subplot()
    _dress(axes, theme)
    return figure, axes


def _dress(axes: Axes, theme: Theme) -> None:
    axes.set_facecolor(theme.paper)
    axes.tick_params(colors=theme.ink)
    axes.xaxis.label.set_color(theme.ink)
    axes.yaxis.label.set_color(theme.ink)
    for spine in axes.spines.values():
        spine.set_edgecolor(theme.quiet)


def _legend(axes: Axes, theme: Theme) -> None:
    axes.legend(frameon=False, labelcolor=theme.ink, fontsize=9)


def _short(name: str) -> str:
    # the middle goes, as the end often holds the year; and matplotlib would read $ as the start of a formula
    short = name if len(name) <= NAME_CHARACTERS else f"{name[:18]}…{name[-13:]}"
    return short.replace("$", r"\$")


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(content, format="png", dpi=160, metadata={"Software": None})
    return content.getvalue()
