"""What the pages read, kept between their runs until the files change: the dataset, small photos, predictions."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import streamlit as st

from components.common.dataset import Dataset, open_dataset
from serving.app.distributions import with_sizes
from serving.app.drawing import Picture, small_picture
from serving.app.evaluations import read_predictions

KEPT_PAGES = 64
KEPT_EVALUATIONS = 4


def dataset(folder: Path) -> tuple[Dataset, pd.DataFrame]:
    """The dataset, and its annotations as `with_sizes` gives them.

    Raises:
        UserError: no dataset there.
    """
    return _dataset(str(folder), _changed(folder / "dataset.json"))


def pictures(folder: Path, rows: pd.DataFrame) -> list[Picture]:
    """Small pictures of some rows of the annotations, one page of them at most.

    Raises:
        UserError: an archive ends before a photo does.
    """
    return _pictures(str(folder), _changed(folder / "dataset.json"), tuple(rows.index))


def predictions(folder: Path) -> tuple[list[str], pd.DataFrame]:
    """The classes and the predictions of an evaluation.

    Raises:
        UserError: no predictions there.
    """
    return _predictions(str(folder), _changed(folder / "predictions.parquet"))


@st.cache_resource(max_entries=1, show_spinner="Opening the dataset")
def _dataset(folder: str, changed: int) -> tuple[Dataset, pd.DataFrame]:  # noqa: ARG001 - part of the key
    opened = open_dataset(folder)
    return opened, with_sizes(opened)


@st.cache_data(max_entries=KEPT_PAGES, show_spinner=False)
def _pictures(folder: str, changed: int, rows: Sequence[int]) -> list[Picture]:
    opened, annotations = _dataset(folder, changed)
    return [small_picture(jpeg) for jpeg in opened.photos(annotations.loc[list(rows)])]


@st.cache_resource(max_entries=KEPT_EVALUATIONS, show_spinner="Reading the predictions")
def _predictions(folder: str, changed: int) -> tuple[list[str], pd.DataFrame]:  # noqa: ARG001 - part of the key
    return read_predictions(Path(folder))


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0
