"""The report of 196 classes and large photos: bounded, and complete where it says so."""

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib import rcParams
from matplotlib._pylab_helpers import Gcf
from PIL import Image

from components.common import figures
from components.evaluate import metrics, pictures, tables, wall
from components.evaluate.answers import Answers
from components.evaluate.charts import draw
from components.evaluate.report import render
from components.evaluate.wall import WallPhoto

CLASSES = [f"Maker Model {number} Convertible 2012" for number in range(196)]


def noisy_jpeg(width: int, height: int) -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)).save(content, "JPEG")
    return content.getvalue()


def test_196_classes_and_noise_stay_below_five_megabytes() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 195, 2000).astype(np.int32)
    ranked = rng.integers(0, 196, (2000, 5)).astype(np.int32)
    iou = rng.random(2000, np.float32)
    matrix = metrics.confusion(labels, ranked[:, 0], 196)
    summary = {
        **metrics.summary(labels, ranked, iou, iou, 196),
        "split": "test",
        "images_per_s": 9.0,
        "blessed": True,
        "reasons": ["Good."],
    }
    charts = draw(matrix, CLASSES, iou, 0.7, None)
    picture = wall.thumbnail(noisy_jpeg(1600, 1200))
    photo = WallPhoto("a.jpg", picture, 1600, 1200, "a", "b", 0.5, 0.5, (0, 0, 9, 9), (1, 1, 9, 9))
    per_class = tables.per_class(metrics.per_class(matrix, labels, iou), CLASSES)
    html = render(summary, charts, tables.confused_pairs(matrix, CLASSES, 12), per_class, {"Worst boxes": [photo] * 24})
    assert len(html.encode()) < 5 * 2**20
    assert all(name in html for name in CLASSES)
    assert "no better than always answering the mean training box" in html


def test_confused_pairs_are_the_most_frequent_mistakes() -> None:
    matrix = np.array([[5, 2, 0], [3, 0, 1], [0, 0, 9]])
    assert tables.confused_pairs(matrix, ["a", "b", "c"], 2) == [
        {"true": "b", "predicted": "a", "photos": 3, "share": 0.75},
        {"true": "a", "predicted": "b", "photos": 2, "share": pytest.approx(2 / 7)},
    ]
    assert tables.confused_pairs(np.diag([3, 4]), ["a", "b"], 5) == []


@pytest.mark.parametrize("right", [0, 1, 5, 100])
def test_wall_holds_at_most_24_photos_and_none_twice(right: int) -> None:
    rng = np.random.default_rng(right)
    labels = np.zeros(100, np.int32)
    ids = np.ones((100, 1), np.int32)
    ids[:right] = 0
    scores = rng.random((100, 1), np.float32)
    iou = rng.random(100, np.float32)
    answers = Answers([], labels, labels, np.zeros((100, 4), np.float32), ids, scores, np.zeros((100, 4), np.float32))
    chosen = wall.choose(answers, iou)
    rows = np.concatenate(list(chosen.values()))
    assert len(rows) == len(set(rows.tolist())) <= 24
    assert set(iou[chosen["Worst boxes"]]) == set(np.sort(iou)[:8])
    assert (ids[chosen["Wrong labels"], 0] == 1).all()
    assert (np.diff(scores[chosen["Wrong labels"], 0]) <= 0).all()
    assert (ids[chosen["Right ones"], 0] == 0).all()


@pytest.mark.parametrize("count", [1, 2, 8, 24, 25, 196])
def test_confusion_picture_of_any_number_of_classes(count: int) -> None:
    content = pictures.confusion(np.eye(count, dtype=np.int64), CLASSES[:count], figures.DARK)
    with Image.open(io.BytesIO(content)) as picture:
        assert min(picture.size) > 300
        assert max(picture.size) < 3000


def test_drawing_leaves_no_global_state() -> None:
    before = dict(rcParams)
    pictures.iou_histogram(np.array([0.2, 1.0], np.float32), 0.5, figures.LIGHT)
    assert dict(rcParams) == before
    assert Gcf.figs == {}


def test_panels_hold_what_a_history_has() -> None:
    history = pd.DataFrame(
        {"epoch": [1, 2], "val_loss": [2.0, 1.0], "top1": [0.1, 0.2], "val_iou": [None, None], "seconds": [3, 3]}
    )
    assert pictures.curve_panels(history) == {"loss": ["val_loss"], "share": ["top1"]}
    assert pictures.curve_panels(history[["epoch", "seconds"]]) == {}
