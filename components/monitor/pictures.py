"""The pictures of a check as PNG bytes, each for a light or a dark page; small, so that a telephone need not shrink them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from components.common.figures import Theme, blank, dress, png, short

BINS = 24
WIDTH_IN = 4.4
LOGARITHMIC_RATIO = 30.0


def class_mix(changed: Sequence[dict[str, Any]], theme: Theme) -> bytes:
    """The classes whose shares differ most: a bar for the reference, one for recent requests."""
    figure, axes = _figure(theme, 0.9 + 0.36 * len(changed))
    places = np.arange(len(changed))
    for name, label, colour, shift in (
        ("reference", "reference", theme.quiet, -0.19),
        ("recent", "recent requests", theme.accent, 0.19),
    ):
        axes.barh(places + shift, [each[name] for each in changed], height=0.36, color=colour, label=label)
    axes.set_yticks(places, [short(each["class"]) for each in changed], fontsize=8)
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlabel("share of the photos")
    axes.tick_params(axis="y", length=0)
    _legend_above(figure, theme)
    return png(figure)


def distributions(reference: NDArray[np.float64], recent: NDArray[np.float64], unit: str, theme: Theme) -> bytes:
    """Histograms of both as shares of their photos, over the same bins; logarithmic where the values span that much."""
    figure, axes = _figure(theme, 2.5)
    together = np.concatenate([reference, recent])
    low, high = np.quantile(together, [0.005, 0.995])
    logarithmic = low > 0 and high / low > LOGARITHMIC_RATIO
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.geomspace(low, high, BINS + 1) if logarithmic else np.linspace(low, high, BINS + 1)
    for values, label, colour, filled in (
        (reference, "reference", theme.quiet, True),
        (recent, "recent requests", theme.accent, False),
    ):
        shares = np.histogram(np.clip(values, low, high), edges)[0] / len(values)
        axes.stairs(shares, edges, fill=filled, color=colour, linewidth=1.8, label=label)
    if logarithmic:
        axes.set_xscale("log")
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_ylim(bottom=0)
    axes.set_xlabel(unit)
    axes.set_ylabel("photos")
    _legend_above(figure, theme)
    return png(figure)


def _figure(theme: Theme, height_in: float) -> tuple[Figure, Axes]:
    figure = blank(theme, WIDTH_IN, height_in)
    axes = figure.add_subplot()
    dress(axes, theme)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _legend_above(figure: Figure, theme: Theme) -> None:
    figure.legend(loc="outside upper left", ncols=2, frameon=False, labelcolor=theme.ink, fontsize=9)
