"""Predictions and model states as tables for a person."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from serving.client.aio import Outcome
from serving.client.wire import VersionStatus

PIPED_COLUMNS = 100
PHOTO_COLUMNS = 28


def console() -> Console:
    """Stdout; as wide as the terminal, or `PIPED_COLUMNS` where there is none."""
    out = Console(highlight=False)
    return out if out.is_terminal else Console(highlight=False, width=PIPED_COLUMNS)


def printable(text: str) -> str:
    """`text` on one line: what a terminal would not print as it stands, such as a line break in a file's name, is escaped."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def prediction_table(outcomes: Iterable[Outcome], top: int) -> Table:
    """A row a candidate; the first of a photo carries the photo's name and the box, the others are dim."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    predicted = [(outcome.name, outcome.prediction) for outcome in outcomes if outcome.prediction]
    boxes = [" ".join(f"{edge:.0f}" for edge in prediction.box) for _, prediction in predicted]
    table.add_column("Photo", no_wrap=True)
    table.add_column("Car", overflow="fold", min_width=16)
    table.add_column("Score", justify="right", no_wrap=True, min_width=6)
    table.add_column("Box (x1 y1 x2 y2)", justify="right", no_wrap=True, min_width=max(map(len, ["Box (x1 y1 x2 y2)", *boxes])))
    for (photo, prediction), edges in zip(predicted, boxes, strict=True):
        candidates = list(zip(prediction.labels, prediction.scores, strict=True))[:top]
        for rank, (label, score) in enumerate(candidates):
            name, box_text, style = (_short(photo), edges, "bold") if rank == 0 else ("", "", "dim")
            table.add_row(Text(name), Text(label), f"{score:.1%}", box_text, style=style)
    return table


def _short(path: str) -> str:
    """The end of a long path, where the photo's own name stands."""
    path = printable(path)
    return path if len(path) <= PHOTO_COLUMNS else f"…{path[1 - PHOTO_COLUMNS :]}"


def status_table(model: str, versions: Iterable[VersionStatus], labels: Mapping[int, Sequence[str]] | None = None) -> Table:
    """A row a version; with a column for its `labels` where these are known."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("Model", "Version", "State", *(["Labels"] if labels is not None else []), "Message"):
        table.add_column(heading, justify="right" if heading == "Version" else "left")
    for entry in versions:
        state = Text(entry.state, "green" if entry.state == "AVAILABLE" else "yellow")
        named = [] if labels is None else [Text(", ".join(labels.get(entry.version, ())))]
        table.add_row(Text(model), str(entry.version), state, *named, Text(entry.message))
    return table


def load_table(figures: Mapping[str, Any]) -> Table:
    """The figures of `bench`, a row each."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=False)
    table.add_column(justify="left")
    table.add_column(justify="right")
    for name in ("requests_per_s", "photos_per_s", "p50_ms", "p90_ms", "p99_ms"):
        value = figures[name]
        table.add_row(name.replace("_per_s", " a second").replace("_", " "), "-" if value is None else f"{value:.1f}")
    for code, calls in figures["codes"].items():
        table.add_row(Text(code), str(calls))
    return table
