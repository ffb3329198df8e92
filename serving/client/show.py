"""Predictions and model states as tables for a person, and predictions as JSON for a program."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from serving.client.wire import Prediction, VersionStatus

PIPED_COLUMNS = 100
PHOTO_COLUMNS = 28


def console() -> Console:
    """Stdout; as wide as the terminal, or `PIPED_COLUMNS` where there is none."""
    out = Console(highlight=False)
    return out if out.is_terminal else Console(highlight=False, width=PIPED_COLUMNS)


def prediction_table(photos: Sequence[Path], predictions: Sequence[Prediction], top: int) -> Table:
    """A row a candidate; the first of a photo carries the photo's name and the box, the others are dim."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    boxes = [" ".join(f"{edge:.0f}" for edge in prediction.box) for prediction in predictions]
    table.add_column("Photo", no_wrap=True)
    table.add_column("Car", overflow="fold", min_width=16)
    table.add_column("Score", justify="right", no_wrap=True, min_width=6)
    table.add_column("Box (x1 y1 x2 y2)", justify="right", no_wrap=True, min_width=max(map(len, ["Box (x1 y1 x2 y2)", *boxes])))
    for photo, prediction, edges in zip(photos, predictions, boxes, strict=True):
        candidates = list(zip(prediction.labels, prediction.scores, strict=True))[:top]
        for rank, (label, score) in enumerate(candidates):
            name, box_text, style = (_short(str(photo)), edges, "bold") if rank == 0 else ("", "", "dim")
            table.add_row(Text(name), Text(label), f"{score:.1%}", box_text, style=style)
    return table


def _short(path: str) -> str:
    """The end of a long path, where the photo's own name stands."""
    return path if len(path) <= PHOTO_COLUMNS else f"…{path[1 - PHOTO_COLUMNS :]}"


def predictions_json(photos: Sequence[Path], predictions: Sequence[Prediction], top: int) -> str:
    """A list with one object a photo: photo, labels, scores (0-1), box (pixels x1, y1, x2, y2)."""
    return json.dumps(
        [
            {
                "photo": str(photo),
                "labels": prediction.labels[:top],
                "scores": [round(score, 6) for score in prediction.scores[:top]],
                "box": [round(edge, 2) for edge in prediction.box],
            }
            for photo, prediction in zip(photos, predictions, strict=True)
        ],
        ensure_ascii=False,
        indent=2,
    )


def status_table(model: str, versions: Iterable[VersionStatus]) -> Table:
    """A row a version."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("Model", "Version", "State", "Message"):
        table.add_column(heading, justify="right" if heading == "Version" else "left")
    for entry in versions:
        state = Text(entry.state, "green" if entry.state == "AVAILABLE" else "yellow")
        table.add_row(Text(model), str(entry.version), state, Text(entry.message))
    return table
