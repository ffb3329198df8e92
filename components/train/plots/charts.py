"""Charts of counts: the splits, and what balanced sampling draws from them. Classes with most train photos come first."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from components.common.figures import LIGHT, NAMED_CLASSES, blank, class_ticks, dress, short

BATCHES, BATCH = 10_000, 32
SHOWN_CLASSES = 6
SPLIT_COLOURS = {"train": LIGHT.accent, "validation": LIGHT.quiet, "test": LIGHT.second}

Counts = NDArray[np.int64]


def splits(counts: Mapping[str, ArrayLike], classes: Sequence[str]) -> Figure:
    """Photos of each class, a bar in three parts.

    Args:
        counts: photos of each class in each split.
    """
    by_split = {split: np.asarray(counts[split]) for split in SPLIT_COLOURS}
    train = by_split["train"]
    order = np.lexsort([-by_split[split] for split in reversed(SPLIT_COLOURS)])
    figure = blank(LIGHT, 8.0, _height_in(len(classes)))
    axes = figure.subplots()
    _class_axis(axes, [classes[label] for label in order])
    before = np.zeros(len(classes), np.int64)
    for split, photos in by_split.items():
        _bars(axes, photos[order], before, SPLIT_COLOURS[split], f"{split}: {photos.sum():,}")
        before += photos[order]
    axes.set_xlabel("photos")
    axes.set_title(f"{len(classes)} classes, {_range(train.min(), train.max())} train photos each")
    _legend_below(figure, axes)
    return figure


def balance(
    photos: Counts, drawn: Mapping[str, Counts], wanted: Mapping[str, NDArray[np.float64]], classes: Sequence[str]
) -> Figure:
    """Classes' shares of the train photos, and of each mode's draws, with the chi-squared test against the wanted shares.

    Args:
        photos: of each class, `(classes,)`.
        drawn: draws of each class, for each mode.
        wanted: the share that each class should have, for each mode; sum 1.
    """
    order = _most_first(photos)
    figure = blank(LIGHT, 11.0, _height_in(len(classes)) + 0.4)
    panels = figure.subplots(1, 1 + len(drawn), sharex=True, sharey=True)
    _class_axis(panels[0], [classes[label] for label in order])
    _bars(panels[0], 100 * photos[order] / photos.sum(), 0, LIGHT.quiet)
    panels[0].set_title(f"before\n{photos.sum():,} train photos", fontsize=10)
    for axes, (mode, draws) in zip(panels[1:], drawn.items(), strict=True):
        test = stats.chisquare(draws, wanted[mode] * draws.sum())
        _bars(axes, 100 * draws[order] / draws.sum(), 0, LIGHT.accent)
        edges = np.arange(len(classes) + 1) - 0.5
        axes.stairs(100 * wanted[mode][order], edges, orientation="horizontal", baseline=None, color=LIGHT.second, linewidth=1.4)
        axes.set_title(f"{mode}\nχ² = {test.statistic:.2f}, p = {test.pvalue:.3f}", fontsize=10)
    for axes in panels:
        dress(axes, LIGHT)
        axes.set_xlabel("% of photos" if axes is panels[0] else "% of draws")
    figure.suptitle(
        f"Classes before, and after {BATCHES:,} batches of {BATCH}, tested against the wanted shares (red)", color=LIGHT.ink
    )
    return figure


def within_classes(times: Sequence[Counts], classes: Sequence[str], seed: int) -> Figure:
    """How often each photo of a few classes was drawn, beside as many draws with replacement.

    Args:
        times: for each class, how often each of its photos was drawn.
        seed: of the draws with replacement.
    """
    rng = np.random.default_rng(seed)
    order = _most_first(np.array([len(each) for each in times]))
    shown = order[np.unique(np.linspace(0, len(order) - 1, SHOWN_CLASSES).round().astype(int))]
    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    figure = blank(LIGHT, 11.0, 2.4 * rows + 0.8)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, label in zip(panels, shown, strict=False):
        dress(axes, LIGHT)
        drawn = times[label]
        replaced = rng.multinomial(drawn.sum(), np.full(len(drawn), 1 / len(drawn)))
        axes.plot(replaced, ".", color=LIGHT.quiet, label="if drawn with replacement")
        axes.plot(drawn, ".", color=LIGHT.accent, label="drawn")
        axes.set_title(f"{short(classes[label])}\n{len(drawn)} photos, each {_range(drawn.min(), drawn.max())} times", fontsize=10)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_xlabel("photo of the class")
        axes.set_ylabel("times drawn")
    for axes in panels[len(shown) :]:
        axes.remove()
    _legend_below(figure, panels[0])
    figure.suptitle(f"Draws of each photo in {BATCHES:,} batches of {BATCH}, every class equally likely", color=LIGHT.ink)
    return figure


def _most_first(photos: Counts) -> NDArray[np.intp]:
    return np.argsort(-photos, kind="stable")


def _height_in(classes: int) -> float:
    return 1.3 + (0.3 * classes if classes <= NAMED_CLASSES else 5.5)


def _class_axis(axes: Axes, classes: Sequence[str]) -> None:
    dress(axes, LIGHT)
    axes.set_yticks(*class_ticks(classes))
    axes.set_ylim(len(classes) - 0.5, -0.5)


def _bars(axes: Axes, lengths: NDArray[np.generic], start: ArrayLike, colour: str, label: str = "") -> None:
    thickness = 0.8 if len(lengths) <= NAMED_CLASSES else 1.0
    axes.barh(np.arange(len(lengths)), lengths, thickness, left=start, color=colour, linewidth=0, label=label)


def _legend_below(figure: Figure, axes: Axes) -> None:
    figure.legend(
        *axes.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, labelcolor=LIGHT.ink, fontsize=9
    )


def _range(low: int, high: int) -> str:
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
