"""What every figure shares: colours, quiet axes, the names of few or many classes, PNG bytes. No global plotting state.

The only module of `common` that imports Matplotlib; a step imports it where it draws, nowhere else.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

NAMED_CLASSES = 24  # up to here every class has its name
TICKS = 14
NAME_CHARACTERS = 32
DPI = 160


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


def blank(theme: Theme, width_in: float, height_in: float) -> Figure:
    """An empty figure; give it axes and `dress` each."""
    return Figure((width_in, height_in), layout="constrained", facecolor=theme.paper)


def dress(axes: Axes, theme: Theme) -> None:
    """Gives axes the colours of the page."""
    axes.set_facecolor(theme.paper)
    axes.tick_params(colors=theme.ink)
    axes.xaxis.label.set_color(theme.ink)
    axes.yaxis.label.set_color(theme.ink)
    axes.title.set_color(theme.ink)
    for spine in axes.spines.values():
        spine.set_edgecolor(theme.quiet)


def legend(axes: Axes, theme: Theme) -> None:
    """A frameless legend of what is labelled."""
    axes.legend(frameon=False, labelcolor=theme.ink, fontsize=9)


def class_ticks(classes: Sequence[str]) -> tuple[list[int], list[str]]:
    """Where on an axis of classes to put which names: every one, or of more than 24 some that are evenly spread."""
    count = len(classes)
    ticks = list(range(count)) if count <= NAMED_CLASSES else np.linspace(0, count - 1, TICKS).round().astype(int).tolist()
    return ticks, [short(classes[tick]) for tick in ticks]


def short(name: str) -> str:
    """A name as Matplotlib should write it, in at most 32 characters."""
    # the middle goes, as the end often holds the year; and matplotlib would read $ as the start of a formula
    cut = name if len(name) <= NAME_CHARACTERS else f"{name[:18]}…{name[-13:]}"
    return cut.replace("$", r"\$")


def png(figure: Figure) -> bytes:
    """The figure as a PNG; equal figures give equal bytes."""
    content = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(content, format="png", dpi=DPI, metadata={"Software": None})
    return content.getvalue()
