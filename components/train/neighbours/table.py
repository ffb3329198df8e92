"""The figures of `neighbours.json` as a table for the terminal."""

from typing import Any

from rich import box
from rich.table import Table

COLUMNS = {
    "known_1nn": ("known", "known, 1-NN"),
    "known_5nn": ("known", "known, 5-NN"),
    "unseen_1nn": ("unseen", "unseen, 1-NN"),
    "unseen_recall_at_1": ("unseen", "unseen, R@1"),
}


def table(report: dict[str, Any]) -> Table:
    """A row for each embedding and one for chance; a share, with its 95% interval, a column."""
    photos, results = report["photos"], report["results"]
    columns = [column for column in COLUMNS if column in next(iter(results.values()))]
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    shown.caption = (
        f"{photos['queries']} test photos of {len(report['classes'])} known classes; {photos['unseen']} photos of "
        f"{len(report['unseen_classes'])} unseen classes, {report['enrolled']} of each enrolled, {report['enrolments']} times"
    )
    for header in ("", *(COLUMNS[column][1] for column in columns)):
        shown.add_column(header)
    for name, measured in results.items():
        shown.add_row(name, *(_cell(measured[column]) for column in columns))
    shown.add_row("chance", *(_short(report["chance"][COLUMNS[column][0]]) for column in columns))
    return shown


def _cell(measured: dict[str, float]) -> str:
    spread = f" ± {_short(measured['std'])}" if "std" in measured else ""
    return f"{_short(measured['value'])}{spread} ({_short(measured['low'])}-{_short(measured['high'])})"


def _short(share: float) -> str:
    return f"{share:.2f}".removeprefix("0")
