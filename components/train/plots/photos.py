"""Grids of photos with their boxes: what the reader gives, and what each policy makes of one photo."""

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import Normal, withStroke
from numpy.typing import NDArray

from components.common.boxes import Boxes
from components.common.figures import LIGHT, blank, short

COLUMNS = 5
CELL_IN = 1.25
TITLE_IN = 0.22
TITLE_CHARACTERS = 26

Photos = NDArray[np.uint8]


def grid(photos: Photos, boxes: Boxes, titles: Sequence[str], heading: str) -> Figure:
    """Photos `(n, px, px, 3)` with boxes `(n, 4)`, relative, each under its title."""
    rows = -(-len(photos) // COLUMNS)
    height = CELL_IN + TITLE_IN * any(titles)
    figure = blank(LIGHT, CELL_IN * COLUMNS, height * rows + 0.3)
    figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes in panels:
        axes.set_axis_off()
    for axes, photo, (x1, y1, x2, y2), title in zip(panels, photos, boxes, titles, strict=False):
        axes.imshow(photo, extent=(0, 1, 1, 0))
        edge = Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=LIGHT.second, linewidth=1.2)
        edge.set_path_effects([withStroke(linewidth=2.4, foreground=LIGHT.paper), Normal()])
        axes.add_patch(edge)
        axes.set_title(textwrap.fill(short(title), TITLE_CHARACTERS), fontsize=6, color=LIGHT.ink, pad=2)
    figure.suptitle(heading, fontsize=9, color=LIGHT.ink)
    return figure
