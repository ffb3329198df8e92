"""Precision, recall and coverage against a threshold: as counted photo by photo."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.app.thresholds import around, by_class, curve

CLASSES = 3
SCORES = st.integers(0, 20).map(lambda twentieths: np.float32(twentieths / 20))
ROW = st.tuples(st.integers(0, CLASSES - 1), st.integers(0, CLASSES - 1), SCORES)
ROWS = st.lists(ROW, min_size=1, max_size=30).map(
    lambda rows: pd.DataFrame(rows, columns=["label", "predicted", "score"]).astype({"score": np.float32})
)


def counted(rows: pd.DataFrame, threshold: float, label: int | None) -> tuple[float, float, float]:
    hits = answers = answered = photos = 0
    for row in rows.itertuples():
        own, named = label in (None, row.label), label in (None, row.predicted)
        photos += own
        if row.score >= threshold:
            answered += own
            answers += named
            hits += own and row.label == row.predicted
    return hits / answers if answers else math.nan, hits / max(photos, 1), answered / max(photos, 1)


@given(ROWS, st.floats(0, 1), st.sampled_from([None, *range(CLASSES)]))
def test_a_curve_is_what_counting_gives(rows: pd.DataFrame, threshold: float, label: int | None) -> None:
    assert curve(rows, label).at(threshold) == pytest.approx(counted(rows, threshold, label), nan_ok=True)


@given(ROWS, st.floats(0, 1))
def test_a_class_in_the_table_is_what_counting_gives(rows: pd.DataFrame, threshold: float) -> None:
    table = by_class(rows, ["a", "b", "c"], threshold)
    assert set(table["class"]) >= {"abc"[label] for label in rows["label"]}
    for row in table.itertuples():
        expected = counted(rows, threshold, "abc".index(row[1]))
        assert (row.precision, row.recall, row.coverage) == pytest.approx(expected, nan_ok=True)


@given(ROWS, st.floats(0, 1))
def test_from_the_lowest_threshold_on_precision_is_never_short(rows: pd.DataFrame, wanted: float) -> None:
    lowest = curve(rows).lowest_with(wanted)
    precision = {float(score): counted(rows, score, None)[0] for score in {0.0, *rows["score"]}}
    short = [score for score, value in precision.items() if value < wanted]
    if lowest is None:
        assert max(precision) in short
    else:
        assert lowest == min(score for score in precision if score > max(short, default=-1.0))


def test_a_class_that_is_never_right_has_no_threshold() -> None:
    rows = pd.DataFrame({"label": [0, 0, 1], "predicted": [1, 0, 0], "score": [0.9, 0.2, 0.3]})
    assert curve(rows, 1).lowest_with(0.5) is None


@given(ROWS, st.floats(0, 1), st.integers(1, 5))
def test_around_a_threshold_are_the_nearest_photos(rows: pd.DataFrame, threshold: float, photos: int) -> None:
    given_answers, withheld = around(rows, threshold, photos)
    assert given_answers["score"].tolist() == sorted(rows["score"][rows["score"] >= threshold])[:photos]
    assert withheld["score"].tolist() == sorted(rows["score"][rows["score"] < threshold], reverse=True)[:photos]
