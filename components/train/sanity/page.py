"""The page of the checks: one HTML file that holds all it shows and loads nothing."""

import base64
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.ticker import MaxNLocator, PercentFormatter

from components.common.figures import DARK, LIGHT, Theme, blank, dress, legend, png
from components.common.records import Records
from components.common.templates import environment
from components.train.config import TrainConfig
from components.train.plots.photos import grid
from components.train.reader import Batch
from components.train.sanity.checks import Check
from components.train.sanity.overfit import Row

SHOWN = 25


def render(config: TrainConfig, records: Records, checks: Sequence[Check], rows: Sequence[Row], batches: Sequence[Batch]) -> str:
    """The page as HTML.

    Args:
        config: the run's settings.
        records: what it would train on.
        checks: what came of the checks.
        rows: the epochs of `overfit`.
        batches: as training would get them; their first 25 photos are shown.
    """
    templates = environment(Path(__file__).parent)
    templates.filters["base64"] = lambda content: base64.b64encode(content).decode("ascii")
    return templates.get_template("page.html.j2").render(
        config=config,
        classes=len(records.classes),
        photos=sum(records.counts["train"]),
        checks=checks,
        failed=[check for check in checks if not check.passed],
        curves={"light": curves(rows, LIGHT), "dark": curves(rows, DARK)},
        sheet=contact_sheet(batches, records.classes),
    )


def contact_sheet(batches: Sequence[Batch], classes: Sequence[str]) -> bytes:
    """The first photos of the batches with their boxes and the names of their classes, as a PNG."""
    photos = np.concatenate([np.asarray(photos) for photos, _ in batches])[:SHOWN]
    labels, boxes = (np.concatenate([np.asarray(truth[head]) for _, truth in batches])[:SHOWN] for head in ("logits", "box"))
    return png(grid(photos, boxes, [_title(label, classes) for label in labels], ""))


def _title(label: np.ndarray, classes: Sequence[str]) -> str:
    name, share = classes[int(label.argmax())], float(label.max())
    return name if share == 1 else f"{share:.0%} {name}"


def curves(rows: Sequence[Row], theme: Theme) -> bytes:
    """The losses and the accuracy of the photos that are learned by heart, as a PNG."""
    figure = blank(theme, 7.2, 3.6)
    losses, right = figure.subplots(1, 2)
    steps = [row["step"] for row in rows]
    losses.plot(steps, [row["label_loss"] for row in rows], color=theme.accent, label="class loss")
    losses.plot(steps, [row["box_loss"] for row in rows], color=theme.second, label="box loss")
    right.plot(steps, [row["top1"] for row in rows], color=theme.accent, label="accuracy")
    right.plot(steps, [row["iou"] for row in rows], color=theme.second, label="mean IoU")
    losses.set_ylim(bottom=0)
    right.set_ylim(0, 1.02)
    right.yaxis.set_major_formatter(PercentFormatter(1))
    for axes in (losses, right):
        dress(axes, theme)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        axes.set_xlabel("step")
        legend(axes, theme)
    return png(figure)
