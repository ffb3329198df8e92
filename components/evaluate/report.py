"""The report: one HTML file that holds all it shows and loads nothing. Every name in it is text, never markup."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from components.evaluate.wall import WallPhoto


@dataclass(frozen=True)
class Picture:
    """One chart: its heading, its words for those who cannot see it, and its PNG for a light and for a dark page."""

    title: str
    words: str
    light: bytes
    dark: bytes


def render(
    metrics: Mapping[str, Any],
    pictures: Sequence[Picture],
    confused: Sequence[Mapping[str, Any]],
    per_class: pd.DataFrame,
    wall: Mapping[str, Sequence[WallPhoto]],
) -> str:
    """The page as HTML; `per_class` as in `tables.per_class`, its rows are shown with the lowest F1 first."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["base64"] = lambda content: base64.b64encode(content).decode("ascii")
    environment.filters["percent"] = lambda share: f"{share:.1%}"
    rows = per_class.sort_values(["f1", "class"]).to_dict("records")
    return environment.get_template("report.html.j2").render(
        metrics=metrics, pictures=pictures, confused=confused, per_class=rows, wall=wall
    )
