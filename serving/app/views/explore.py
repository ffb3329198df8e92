"""Explore: the photos of the dataset with their boxes, and what it is made of."""

from pathlib import Path

import pandas as pd
import streamlit as st

from components.common.dataset import BOX_COLUMNS, SPLITS
from serving.app import charts, distributions, drawing, opened
from serving.app.sources import Sources

PAGE_PHOTOS = 24
PHOTOS, MADE_OF, TABLE = "Photos", "What it is made of", "Table"
ALL = "all"


def show(sources: Sources) -> None:
    """The page."""
    folder = sources.dataset_folder()
    dataset, rows = opened.dataset(folder)
    source = dataset.info.get("source", "a source that is not on record")
    st.title("The photos")
    st.html(drawing.note(f"{len(rows):,} photos of {len(dataset.classes)} classes from {source}"))
    with st.container(border=True, key="card-filter"):
        chosen = _filtered(rows)
    view = st.segmented_control(
        "View", [PHOTOS, MADE_OF, TABLE], default=PHOTOS, required=True, key="view", label_visibility="collapsed"
    )
    if chosen.empty:
        st.info("No photo is like that; ask for less.")
    elif view == PHOTOS:
        _photos(folder, chosen)
    elif view == MADE_OF:
        _made_of(chosen)
    else:
        shown = chosen[["file", "class", "split", "width", "height", *BOX_COLUMNS, "share"]]
        st.dataframe(
            shown, hide_index=True, column_config={"share": st.column_config.NumberColumn("box's share", format="percent")}
        )


def _filtered(rows: pd.DataFrame) -> pd.DataFrame:
    split = st.segmented_control("Split", [ALL, *SPLITS], default=ALL, required=True, key="split", on_change=_first_page)
    wide, narrow, last = st.columns([3, 2, 2])
    classes = wide.multiselect("Classes", sorted(rows["class"].unique()), placeholder="all", key="classes", on_change=_first_page)
    words = narrow.text_input("Words in class or file", key="words", max_chars=80, on_change=_first_page)
    order = last.selectbox("Order", list(distributions.ORDERS), key="order", on_change=_first_page)
    return distributions.chosen(rows, None if split == ALL else split, classes, words, order)


def _photos(folder: Path, chosen: pd.DataFrame) -> None:
    pages = -(-len(chosen) // PAGE_PHOTOS)
    number = int(st.session_state.get("page", 1))
    page = chosen.iloc[(number - 1) * PAGE_PHOTOS : number * PAGE_PHOTOS]
    figures = []
    for picture, row in zip(opened.pictures(folder, page), page.to_dict("records"), strict=True):
        drawn = drawing.photo(picture, {drawing.TRUE: [row[edge] for edge in BOX_COLUMNS]}, f"{row['file']}, a {row['class']}")
        size = f"{row['width']} x {row['height']} px, box {row['share']:.0%}"
        lines = [(row["class"], "m-strong"), (f"{row['split']} · {row['file']}", "m-quiet"), (size, "m-quiet")]
        figures.append(drawing.figure(drawn, lines))
    st.caption(f"{len(chosen):,} photos, {(number - 1) * PAGE_PHOTOS + 1} to {min(number * PAGE_PHOTOS, len(chosen))}")
    st.html(drawing.gallery(figures))
    if pages > 1:
        st.pagination(pages, key="page")


def _first_page() -> None:
    """Another choice of photos begins at its first page."""
    st.session_state["page"] = 1


def _made_of(chosen: pd.DataFrame) -> None:
    counts = distributions.by_class_and_split(chosen)
    per_class = counts.sum(axis=1)
    st.html(
        drawing.cards(
            [
                *((split, f"{int(counts[split].sum()):,}", "photos") for split in SPLITS),
                ("classes", f"{len(counts):,}", f"of {int(per_class.min()):,} to {int(per_class.max()):,} photos"),
                ("median box", f"{chosen['share'].median():.0%}", "of its photo"),
                ("median photo", f"{chosen['width'].median():.0f}x{chosen['height'].median():.0f}", "pixels"),
            ]
        )
    )
    left, right = st.columns(2)
    with left.container(border=True, key="card-boxes"):
        st.subheader("Sizes of the boxes")
        st.plotly_chart(
            charts.histogram(chosen, "share", "share of the photo that the box takes", percent=True), config=charts.CONFIG
        )
    with right.container(border=True, key="card-sizes"):
        st.subheader("Widths of the photos")
        st.plotly_chart(charts.histogram(chosen, "width", "pixels"), config=charts.CONFIG)
    with st.container(border=True, key="card-classes"):
        st.subheader("Photos of each class")
        st.plotly_chart(charts.classes(counts), config=charts.CONFIG)
