"""predictions.parquet: written while the model answers, read back the same, and refused when it is something else."""

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.common.errors import UserError
from components.evaluate import predictions
from components.evaluate.answers import Answers
from tests.components.evaluate.conftest import CARS, made_predictions, save_evaluation


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    made = made_predictions(1, photos=30)
    read = predictions.read(save_evaluation(tmp_path / "made", made) / "predictions.parquet")
    assert read.classes == CARS
    assert read.files.to_pylist() == made.files.to_pylist()
    for field in ("labels", "predicted", "scores", "true_boxes", "boxes", "sizes", "iou"):
        np.testing.assert_array_equal(getattr(read, field), getattr(made, field))
    np.testing.assert_array_equal(read.ranks == 0, made.right)


def test_the_rank_is_the_place_of_the_true_class(tmp_path: Path) -> None:
    ids = np.array([[2, 0, 1], [2, 0, 1], [2, 0, 1], [2, 0, 1]], np.int32)
    boxes = np.tile(np.array([0, 0, 9, 9], np.float32), (4, 1))
    sizes, scores = np.full((4, 2), 9, np.int32), np.full((4, 3), 0.3, np.float32)
    answers = Answers(list("abcd"), np.array([2, 0, 1, 3], np.int32), sizes, boxes, ids, scores, boxes)
    predictions.write(tmp_path / "p.parquet", [answers], ["p", "q", "r", "s"])
    ranks = predictions.read(tmp_path / "p.parquet").ranks
    assert ranks.tolist() == [0, 1, 2, predictions.NO_RANK]
    assert predictions.NO_RANK > 1000  # three answers without the class are no five with it


def batches(count: int) -> Iterator[Answers]:
    boxes = np.tile(np.array([0, 0, 9, 9], np.float32), (64, 1))
    for number in range(count):
        yield Answers(
            [f"{number}-{i}" for i in range(64)],
            np.zeros(64, np.int32),
            np.full((64, 2), 9, np.int32),
            boxes,
            np.zeros((64, 5), np.int32),
            np.full((64, 5), 0.5, np.float32),
            boxes,
        )


@pytest.mark.slow
def test_writing_takes_no_more_memory_for_more_photos(tmp_path: Path) -> None:
    peaks = []
    for count in (300, 1800):
        tracemalloc.start()
        predictions.write(tmp_path / f"{count}.parquet", batches(count), CARS)
        peaks.append(tracemalloc.get_traced_memory()[1] + pa.total_allocated_bytes())
        tracemalloc.stop()
        assert pq.read_metadata(tmp_path / f"{count}.parquet").num_rows == 64 * count
    assert peaks[1] < 1.5 * peaks[0]


def test_a_reader_that_knows_nothing_of_us_reads_it(tmp_path: Path) -> None:
    folder = save_evaluation(tmp_path / "made", made_predictions(1, photos=3))
    assert pd.read_parquet(folder / "predictions.parquet")["file"].tolist() == ["00000.jpg", "00001.jpg", "00002.jpg"]
    assert json.loads(pq.read_schema(folder / "predictions.parquet").metadata[b"classes"]) == CARS


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"score": [0.5, float("nan"), 0.5]}, "its score holds numbers that cannot be"),
        ({"iou": [0.5, 1.5, 0.5]}, "its iou holds numbers that cannot be"),
        ({"x1": [0.5, float("inf"), 0.5]}, "its x1 holds numbers that cannot be"),
        ({"predicted_y2": [0.5, float("nan"), 0.5]}, "its predicted_y2 holds numbers that cannot be"),
        ({"label": [0, 5, 0]}, "its label holds ids that are none of 5 classes"),
        ({"predicted": [0, -1, 0]}, "its predicted holds ids that are none of 5 classes"),
        ({"top_ids": [[0, 1], [0, 9], [2, 1]]}, "its top_ids holds ids that are none of 5 classes"),
        ({"top_ids": [[0], [0, 1], [0, 1, 2]]}, r"its photos have \[1, 2, 3\] answers, not the same number each"),
        ({"top_ids": [[], [], []]}, r"its photos have \[0\] answers"),
        ({"file": ["a", None, "b"]}, "its file is missing for some photos"),
        ({"width": [1, None, 2]}, "its width is missing for some photos"),
        ({"label": ["a", "b", "c"]}, "damaged or something else"),
    ],
)
def test_nonsense_is_refused(tmp_path: Path, change: dict[str, list[object]], expected: str) -> None:
    path = save_evaluation(tmp_path / "made", made_predictions(1, photos=3)) / "predictions.parquet"
    table = pq.read_table(path)
    columns = {name: table[name] for name in table.schema.names} | {name: pa.array(values) for name, values in change.items()}
    pq.write_table(pa.table(columns, metadata=table.schema.metadata), path)
    with pytest.raises(UserError, match=expected):
        predictions.read(path)


@pytest.mark.parametrize("classes", ["5", "null", '{"a": 1}', '"abcdef"', "[1, 2, 3, 4, 5]", '["a", "a", "b", "c", "d"]', "["])
def test_classes_that_are_none_are_refused(tmp_path: Path, classes: str) -> None:
    path = save_evaluation(tmp_path / "made", made_predictions(1, photos=3)) / "predictions.parquet"
    pq.write_table(pq.read_table(path).replace_schema_metadata({"classes": classes}), path)
    with pytest.raises(UserError, match=r"its classes are no list of distinct names|it is damaged or something else"):
        predictions.read(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    made = made_predictions(1, photos=3)
    path = save_evaluation(tmp_path / "made", made) / "predictions.parquet"
    pq.write_table(pq.read_table(path).replace_schema_metadata({}), path)
    with pytest.raises(UserError, match="it is damaged or something else"):
        predictions.read(path)
    pq.write_table(pa.table({"file": ["a"]}), path)
    with pytest.raises(UserError, match="it is damaged or something else"):
        predictions.read(path)
    predictions.write(path, [], CARS)
    with pytest.raises(UserError, match="expected the predictions of at least one photo, found none"):
        predictions.read(path)
    with pytest.raises(UserError, match="found no such file"):
        predictions.read(tmp_path / "nowhere.parquet")
