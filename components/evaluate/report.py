"""The report: one HTML file that holds all it shows and loads nothing. Every name in it is text, never markup."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from components.evaluate.charts import Charts
from components.evaluate.wall import WallPhoto


def render(
    metrics: Mapping[str, Any],
    charts: Charts,
    confused: Sequence[Mapping[str, Any]],
    per_class: pd.DataFrame,
    wall: Mapping[str, Sequence[WallPhoto]],
) -> str:
    """The page as HTML; `per_class` is as in `tables.per_class`, and its rows are shown with the lowest F1 first."""
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
        metrics=metrics, charts=charts, confused=confused, per_class=rows, wall=wall
    )
