"""The picture of a search: photos, and beside each the five nearest to it, framed by whether their class is right."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from components.common.figures import LIGHT, blank, short
from components.train.neighbours.measure import Known, Unseen
from components.train.neighbours.search import Embeddings, Numbers, nearest
from components.train.sampling import Sampler

ROWS = 7
NEIGHBOURS = 5
CELL_IN = 0.82
TITLE_IN = 0.26
GAP = 0.3
MARGIN_IN = 0.4
LEGEND = "Blue: the same class, and the cosine similarity. Red: another class, and its name. Chosen at random."
NAME_CHARACTERS = 20


@dataclass(frozen=True)
class Panel:
    """Queries `(rows,)` and their neighbours `(rows, k)`, as numbers of photos, the similarities, and each class by number."""

    heading: str
    queries: Numbers
    neighbours: Numbers
    similarities: Embeddings
    names: Mapping[int, str]

    @property
    def numbers(self) -> set[int]:
        """Every photo that is shown."""
        return {*self.queries.tolist(), *self.neighbours.ravel().tolist()}


def panels(
    embeddings: Embeddings, labels: Numbers, classes: list[str], known: Known | None, unseen: Unseen | None, seed: int
) -> list[Panel]:
    """Up to two panels: test photos of known classes among the train photos, and photos of unseen classes among one another."""
    searches = []
    if known:
        searches.append(("Classes trained on: test photos, and the nearest train photos", known.queries, known.gallery))
    if unseen:
        searches.append(("Classes never trained on: photos, and the nearest others", unseen.photos, unseen.photos))
    drawn = []
    for heading, queries, gallery in searches:
        counts = np.bincount(labels[queries], minlength=len(classes))
        drawn_labels, members = Sampler(counts, seed).draws(0, min(ROWS, len(queries)))
        chosen = np.array(
            [np.flatnonzero(labels[queries] == label)[member] for label, member in zip(drawn_labels, members, strict=True)]
        )
        same = queries is gallery
        found, similarities = nearest(
            embeddings[queries], embeddings[gallery], min(NEIGHBOURS, len(gallery) - same), skip_itself=same
        )
        panel = queries[chosen], gallery[found[chosen]], similarities[chosen]
        names = {number: classes[labels[number]] for number in {*panel[0].tolist(), *panel[1].ravel().tolist()}}
        drawn.append(Panel(heading, *panel, names))
    return drawn


def draw(panels: list[Panel], photos: Mapping[int, NDArray[np.uint8]]) -> Figure:
    """The panels side by side; `photos` holds each photo that they show."""
    ratios = [1, GAP, *[1] * NEIGHBOURS]
    rows = max(len(panel.queries) for panel in panels)
    figure = blank(LIGHT, (CELL_IN * sum(ratios) + MARGIN_IN) * len(panels), (CELL_IN + TITLE_IN) * rows + 0.6)
    figure.set_layout_engine("constrained", w_pad=0.04, h_pad=0.03, wspace=0, hspace=0)
    figure.supxlabel(LEGEND, fontsize=7, color=LIGHT.ink)
    for part, panel in zip(figure.subfigures(1, len(panels), squeeze=False, wspace=0.06).ravel(), panels, strict=True):
        part.set_facecolor(LIGHT.paper)
        part.suptitle(panel.heading, fontsize=9, color=LIGHT.ink)
        cells = part.subplots(rows, len(ratios), squeeze=False, width_ratios=ratios)
        for axes in cells.ravel():
            axes.set_axis_off()
        for row, query, neighbours, similarities in zip(cells, panel.queries, panel.neighbours, panel.similarities, strict=False):
            name = panel.names[query]
            _show(row[0], photos[query], name, LIGHT.ink, LIGHT.quiet)
            for axes, number, similarity in zip(row[2:], neighbours, similarities, strict=False):
                right = panel.names[number] == name
                colour = LIGHT.accent if right else LIGHT.second
                _show(axes, photos[number], f"{similarity:.2f}" if right else panel.names[number], colour, colour)
    return figure


def _show(axes: Axes, photo: NDArray[np.uint8], title: str, ink: str, frame: str) -> None:
    axes.set_axis_on()
    axes.set_xticks([])
    axes.set_yticks([])
    axes.imshow(photo)
    axes.set_title(textwrap.fill(short(title), NAME_CHARACTERS), fontsize=5, color=ink, pad=2)
    for spine in axes.spines.values():
        spine.set(edgecolor=frame, linewidth=1.8)
