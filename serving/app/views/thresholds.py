"""Thresholds: what it costs to withhold unsure answers, and which photos are at stake."""

import math
from pathlib import Path

import pandas as pd
import streamlit as st

from components.common.dataset import BOX_COLUMNS
from serving.app import charts, drawing, opened, thresholds
from serving.app.evaluations import PREDICTED_BOX_COLUMNS, evaluations
from serving.app.sources import Sources

AROUND = 6
ALL = "all classes"
WANTED = (0.9, 0.95, 0.99, 1.0)


def show(sources: Sources) -> None:
    """The page."""
    st.title("How sure is sure enough?")
    known = {entry.text: entry for entry in evaluations(sources.repository, sources.model, sources.evaluation)}
    if not known:
        sources.evaluation_folder()
    with st.container(border=True, key="card-threshold"):
        left, right = st.columns(2)
        text = left.selectbox("Evaluation", list(known), key="thresholds of", persist_state="session")
        classes, rows = opened.predictions(known[text].folder)
        name = right.selectbox("Class", [ALL, *sorted(classes)], key="threshold class")
        threshold = st.slider(
            "Answers below this score are withheld", 0.0, 1.0, 0.5, 0.01, key="threshold", persist_state="session"
        )
    label = None if name == ALL else classes.index(name)
    curve = thresholds.curve(rows, label)
    _figures(curve, threshold, ALL if label is None else name)
    with st.container(border=True, key="card-curve"):
        st.plotly_chart(charts.thresholds(curve, threshold), config=charts.CONFIG)
        st.caption(_lowest(curve))
    own = rows if label is None else rows[(rows["label"] == label) | (rows["predicted"] == label)]
    given, withheld = thresholds.around(own, threshold, AROUND)
    _photos("Just above: the least sure that are answered", given, classes, sources)
    _photos("Just below: the surest that are withheld", withheld, classes, sources)
    with st.container(border=True, key="card-by-class"):
        st.subheader(f"Each class at {threshold:.2f}")
        shares = {
            key: st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1)
            for key in ("precision", "recall", "coverage")
        }
        st.dataframe(thresholds.by_class(rows, classes, threshold), hide_index=True, column_config=shares)


def _figures(curve: thresholds.Curve, threshold: float, whose: str) -> None:
    precision, recall, coverage = curve.at(threshold)
    st.html(
        drawing.cards(
            [
                ("precision", "none" if math.isnan(precision) else f"{precision:.1%}", "of the answers given are right"),
                ("recall", f"{recall:.1%}", "of the photos are answered rightly"),
                ("coverage", f"{coverage:.1%}", f"of the photos of {whose} are answered"),
            ]
        )
    )


def _lowest(curve: thresholds.Curve) -> str:
    if math.isnan(curve.precision[0]):
        return "No answer names this class."
    everything = f"With every answer given, precision is {curve.precision[0]:.1%}"
    found = [(wanted, curve.lowest_with(wanted)) for wanted in WANTED if curve.precision[0] < wanted]
    said = [f"{wanted:.0%} from {math.ceil(100 * lowest) / 100:.2f} on" for wanted, lowest in found if lowest is not None]
    return f"{everything}; it is, and stays, at least {', '.join(said)}." if said else f"{everything}."


def _photos(title: str, rows: pd.DataFrame, classes: list[str], sources: Sources) -> None:
    st.subheader(title)
    if rows.empty:
        st.caption("None.")
        return
    pictures = _pictures(rows, sources)
    figures = []
    for row in rows.to_dict("records"):
        edges = {drawing.TRUE: [row[key] for key in BOX_COLUMNS], drawing.PREDICTED: [row[key] for key in PREDICTED_BOX_COLUMNS]}
        drawn = drawing.photo(pictures[row["file"]], edges, f"{row['file']} with its boxes") if row["file"] in pictures else ""
        truth, said = classes[row["label"]], classes[row["predicted"]]
        lines = [
            (f"{row['score']:.1%} {said}", "m-strong m-good" if row["right"] else "m-strong m-bad"),
            ("" if row["right"] else f"true: {truth}", "m-bad"),
            (f"IoU {row['iou']:.2f} · {row['file']}", "m-quiet"),
        ]
        figures.append(drawing.figure(drawn, lines))
    st.html(drawing.gallery(figures))


def _pictures(rows: pd.DataFrame, sources: Sources) -> dict[str, drawing.Picture]:
    """Of those photos that the dataset has, by file; without a dataset none."""
    if not sources.dataset:
        return {}
    folder = Path(sources.dataset)
    _, annotations = opened.dataset(folder)
    found = annotations[annotations["file"].isin(rows["file"])]
    return dict(zip(found["file"], opened.pictures(folder, found), strict=True))
