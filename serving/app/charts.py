"""The app's charts as Plotly figures; Streamlit gives them the theme's font and background."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from components.common.dataset import SPLITS
from serving.app.theme import PREDICTED, THIRD, TRUE
from serving.app.thresholds import Curve

SPLIT_COLOURS = dict(zip(SPLITS, (TRUE, THIRD, PREDICTED), strict=True))
ROW_PX = 20
BINS = 32
HEIGHT_PX = 360
NAME_CHARACTERS = 34
DRAWN_POINTS = 2000
MARGIN = {"l": 8, "r": 8, "t": 36, "b": 8}
CLEAR = {"paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)"}
CONFIG = {"displaylogo": False, "displayModeBar": False, "scrollZoom": False}
LEGEND = {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "title": None, "traceorder": "normal"}


def classes(counts: pd.DataFrame) -> go.Figure:
    """Photos of each class (rows) in each split (columns), as lying bars, the first row on top."""
    names = [short(str(name)) for name in counts.index]
    figure = go.Figure(
        [
            go.Bar(
                x=counts[split],
                y=list(range(len(counts))),
                name=split,
                orientation="h",
                marker_color=SPLIT_COLOURS[split],
                customdata=counts.index,
                hovertemplate=f"%{{customdata}}: %{{x}} {split} photos<extra></extra>",
            )
            for split in SPLITS
            if counts[split].any()
        ]
    )
    figure.update_layout(barmode="stack", bargap=0.25, height=90 + ROW_PX * len(counts), margin=MARGIN, legend=LEGEND, **CLEAR)
    figure.update_yaxes(autorange="reversed", tickvals=list(range(len(counts))), ticktext=names, fixedrange=True, showgrid=False)
    figure.update_xaxes(title="photos", fixedrange=True)
    return figure


def histogram(rows: pd.DataFrame, column: str, title: str, percent: bool = False) -> go.Figure:
    """How the values of `column` are spread in each split, as shares of the split's photos."""
    values = rows[column].to_numpy(np.float64)
    edges = np.linspace(0, 1 if percent else 1.05 * values.max(), BINS + 1)
    figure = go.Figure()
    for split in SPLITS:
        part = rows[column][rows["split"] == split]
        if len(part):
            shares = np.histogram(part, edges)[0] / len(part)
            figure.add_scatter(
                x=edges,
                y=[*shares, 0],
                name=split,
                mode="lines",
                line={"color": SPLIT_COLOURS[split], "shape": "hv", "width": 2},
                hovertemplate=f"%{{x:{'.0%' if percent else '.0f'}}}: %{{y:.1%}} of {split}<extra></extra>",
            )
    figure.update_layout(height=HEIGHT_PX, margin=MARGIN, legend=LEGEND, **CLEAR)
    figure.update_xaxes(title=title, tickformat=".0%" if percent else None, fixedrange=True)
    figure.update_yaxes(title="photos of the split", tickformat=".0%", rangemode="tozero", fixedrange=True)
    return figure


def thresholds(curve: Curve, threshold: float) -> go.Figure:
    """Precision, recall and coverage against the threshold, which is marked."""
    kept = np.unique(np.linspace(0, len(curve.threshold) - 1, DRAWN_POINTS).round().astype(int))
    figure = go.Figure()
    for name, values, colour in (
        ("precision", curve.precision, TRUE),
        ("recall", curve.recall, PREDICTED),
        ("coverage", curve.coverage, THIRD),
    ):
        figure.add_scatter(
            x=curve.threshold[kept],
            y=values[kept],
            name=name,
            mode="lines",
            line={"color": colour, "shape": "vh", "width": 2.5},
            hovertemplate=f"threshold %{{x:.2f}}: {name} %{{y:.1%}}<extra></extra>",
        )
    figure.add_vline(x=threshold, line={"color": "#7b8794", "width": 1.5, "dash": "dot"})
    figure.update_layout(height=HEIGHT_PX, margin=MARGIN, legend=LEGEND, **CLEAR)
    figure.update_xaxes(title="answers below this score are withheld", range=[0, 1], tickformat=".1f", fixedrange=True)
    figure.update_yaxes(range=[0, 1.02], tickformat=".0%", fixedrange=True)
    return figure


def short(name: str) -> str:
    """A name in at most `NAME_CHARACTERS`, its end kept, which often holds the year."""
    return name if len(name) <= NAME_CHARACTERS else f"{name[:20]}…{name[-13:]}"
