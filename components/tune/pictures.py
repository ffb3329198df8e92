"""The pictures of a study as PNG bytes, each for a light or a dark page."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from optuna.trial import FrozenTrial, TrialState

from components.common.figures import Theme, blank, dress, legend, png


def history(trials: Sequence[FrozenTrial], theme: Theme) -> bytes:
    """Score by number of the trial: complete ones, pruned ones at their last score, and the best so far."""
    figure, axes = _figure(theme, 5.8, 3.0)
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED and trial.intermediate_values]
    numbers, scores = [trial.number for trial in complete], [trial.value or 0.0 for trial in complete]
    so_far = np.maximum.accumulate(scores)
    end = max(trial.number for trial in trials)
    axes.step([*numbers, end], [*so_far, so_far[-1]], where="post", color=theme.accent, alpha=0.55, label="best so far")
    axes.scatter(numbers, scores, s=26, color=theme.accent, zorder=3, label="complete", clip_on=False)
    if pruned:
        last = [trial.intermediate_values[max(trial.intermediate_values)] for trial in pruned]
        axes.scatter(
            [trial.number for trial in pruned], last, s=26, marker="x", color=theme.second, zorder=3, label="pruned", clip_on=False
        )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("trial")
    axes.set_ylabel("score")
    legend(axes, theme)
    return png(figure)


def epochs(trials: Sequence[FrozenTrial], best: int, theme: Theme) -> bytes:
    """Score by epoch, a line for each trial; a cross ends one that was pruned, and trial `best` stands out."""
    figure, axes = _figure(theme, 5.8, 3.0)
    said: set[str] = set()
    for trial in sorted(trials, key=lambda trial: trial.number == best):
        if not trial.intermediate_values:
            continue
        steps, scores = zip(*sorted(trial.intermediate_values.items()), strict=True)
        what = "best" if trial.number == best else "pruned" if trial.state == TrialState.PRUNED else "complete"
        label = None if what in said else what
        said.add(what)
        if what == "pruned":
            axes.plot(steps, scores, color=theme.second, linewidth=1, alpha=0.7, marker="x", markevery=[-1], label=label)
        elif what == "best":
            axes.plot(steps, scores, color=theme.accent, linewidth=2.6, marker="o", markersize=4, label=label)
        else:
            axes.plot(steps, scores, color=theme.accent, linewidth=1, alpha=0.5, marker=".", label=label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(0, 1.3 * axes.get_ylim()[1])  # room for the legend
    axes.set_xlabel("epoch")
    axes.set_ylabel("score")
    legend(axes, theme)
    return png(figure)


def importances(shares: dict[str, float], theme: Theme) -> bytes:
    """A bar for each setting, the most important on top; shares of 1."""
    figure, axes = _figure(theme, 5.8, 0.8 + 0.3 * len(shares))
    names, values = list(shares)[::-1], list(shares.values())[::-1]
    bars = axes.barh(names, values, height=0.62, color=theme.accent)
    axes.bar_label(bars, [f"{value:.0%}" for value in values], padding=4, color=theme.ink, fontsize=9)
    axes.set_xlim(0, max(1e-9, *values) * 1.12)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("importance")
    return png(figure)


def _figure(theme: Theme, width_in: float, height_in: float) -> tuple[Figure, Axes]:
    figure = blank(theme, width_in, height_in)
    axes = figure.add_subplot()
    dress(axes, theme)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
