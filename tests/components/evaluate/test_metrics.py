"""Every figure against an independent computation: scikit-learn, pycocotools, NumPy, painted boxes."""

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support

from components.common import boxes
from components.evaluate import metrics
from components.evaluate.calibration import BINS, reliability
from components.evaluate.metrics import Figures, GatedFigures
from components.evaluate.predictions import Predictions
from tests.components.evaluate.conftest import made_predictions, only

EXACT = 1e-6
seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 80)


def figures(predictions: Predictions) -> dict[str, float]:
    return Figures(predictions)(np.ones(len(predictions)))


@given(seeds, sizes)
def test_labels_figures_are_scikit_learns(seed: int, photos: int) -> None:
    predictions = made_predictions(seed, photos)
    labels, predicted, everyone = predictions.labels, predictions.predicted, np.arange(len(predictions.classes))
    matrix = metrics.confusion(predictions)
    found = metrics.per_class(matrix, predictions)

    np.testing.assert_array_equal(matrix, confusion_matrix(labels, predicted, labels=everyone))
    expected = precision_recall_fscore_support(labels, predicted, labels=everyone, zero_division=0)
    for ours, theirs in zip((found.precision, found.recall, found.f1, found.support), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=EXACT)
    for average in ("macro", "weighted"):
        theirs = f1_score(labels, predicted, average=average, zero_division=0)
        assert figures(predictions)[f"{average}_f1"] == pytest.approx(theirs, abs=EXACT)


@given(seeds, sizes)
def test_shares_and_boxes_are_numpys(seed: int, photos: int) -> None:
    predictions = made_predictions(seed, photos)
    found, iou = figures(predictions), predictions.iou.astype(float)
    assert found["top1"] == pytest.approx((predictions.predicted == predictions.labels).mean(), abs=EXACT)
    assert found["top5"] == pytest.approx((predictions.ranks < 5).mean(), abs=EXACT)
    assert found["mean_iou"] == pytest.approx(iou.mean(), abs=EXACT)
    assert found["median_iou"] == pytest.approx(np.median(iou), abs=EXACT)
    for name, mark in (("iou_50", 0.5), ("iou_75", 0.75), ("iou_90", 0.9)):
        assert found[name] == pytest.approx((predictions.iou >= np.float32(mark)).mean(), abs=EXACT)


@given(seeds, sizes)
def test_the_gates_figures_are_those_of_all(seed: int, photos: int) -> None:
    predictions = made_predictions(seed, photos)
    times = np.random.default_rng(seed).multinomial(photos, np.full(photos, 1 / photos)).astype(float)
    everything = Figures(predictions)(times)
    assert GatedFigures(predictions)(times) == pytest.approx({name: everything[name] for name in ("top1", "mean_iou")})


def test_a_box_on_the_mark_counts() -> None:
    predictions = made_predictions(1, photos=4)
    predictions.iou[:] = [0.5, 0.75, 0.9, 0.1]
    found = figures(predictions)
    assert (found["iou_50"], found["iou_75"], found["iou_90"]) == (0.75, 0.5, 0.25)


def coco(predictions: Predictions) -> list[float]:
    """AP, AP50 and AP75 by pycocotools, each photo an image with one object and one detection."""
    truth, answer = COCO(), COCO()
    corner_and_size = lambda box: [*box[:2].tolist(), *(box[2:] - box[:2]).tolist()]  # noqa: E731
    images = [{"id": i + 1} for i in range(len(predictions))]
    categories = [{"id": i + 1} for i in range(len(predictions.classes))]
    for index, labels, found in (
        (truth, predictions.labels, predictions.true_boxes),
        (answer, predictions.predicted, predictions.boxes),
    ):
        index.dataset = {
            "images": images,
            "categories": categories,
            "annotations": [
                {
                    "id": i + 1,
                    "image_id": i + 1,
                    "category_id": int(labels[i]) + 1,
                    "bbox": corner_and_size(found[i].astype(float)),
                    "area": 1.0,
                    "iscrowd": 0,
                    "score": float(predictions.scores[i]),
                }
                for i in range(len(predictions))
            ],
        }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        answer.createIndex()
        evaluation = COCOeval(truth, answer, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats[:3].tolist()


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.slow
def test_average_precision_is_pycocotools(seed: int) -> None:
    predictions = made_predictions(seed, photos=1 + 7 * seed, skill=seed % 5 / 4)
    found = figures(predictions)
    assert [found["ap"], found["ap_50"], found["ap_75"]] == pytest.approx(coco(predictions), abs=EXACT)


@given(seeds, sizes)
def test_photos_that_count_several_times_are_as_if_they_were_there_several_times(seed: int, photos: int) -> None:
    predictions = made_predictions(seed, photos)
    times = np.random.default_rng(seed).multinomial(photos, np.full(photos, 1 / photos))
    repeated = only(predictions, np.repeat(np.arange(photos), times))
    assert Figures(predictions)(times.astype(float)) == pytest.approx(figures(repeated), abs=1e-9)


@given(seeds)
def test_figures_do_not_depend_on_the_photos_order(seed: int) -> None:
    predictions = made_predictions(seed)
    rng = np.random.default_rng(seed)
    # of photos with one score, COCO counts the first first
    predictions.scores[:] = rng.permutation(len(predictions)) / len(predictions)
    shuffled = only(predictions, rng.permutation(len(predictions)))
    assert figures(shuffled) == pytest.approx(figures(predictions), abs=1e-9)


@given(seeds, sizes)
def test_calibration_is_that_of_its_definition(seed: int, photos: int) -> None:
    predictions = made_predictions(seed, photos)
    score, right = predictions.scores.astype(float), predictions.right
    error = 0.0
    for i in range(BINS):
        inside = (score > i / BINS) & (score <= (i + 1) / BINS) | ((score == 0) & (i == 0))
        if inside.any():
            error += inside.mean() * abs(score[inside].mean() - right[inside].mean())
    assert figures(predictions)["ece"] == pytest.approx(error, abs=EXACT)


def test_the_reliability_curve_is_scikit_learns() -> None:
    predictions = made_predictions(3, photos=500)
    predictions.scores[:] = np.random.default_rng(3).random(500)  # no score on an edge, which scikit-learn counts to the left
    bins = [row for row in reliability(predictions) if row["photos"]]
    accuracy, confidence = calibration_curve(predictions.right, predictions.scores, n_bins=BINS)
    np.testing.assert_allclose([row["accuracy"] for row in bins], accuracy, atol=EXACT)
    np.testing.assert_allclose([row["confidence"] for row in bins], confidence, atol=EXACT)
    assert sum(row["photos"] for row in bins) == 500


def test_a_model_that_is_always_right_and_sure_has_no_error() -> None:
    predictions = made_predictions(1, skill=1.0)
    predictions.scores[:], predictions.iou[:] = 1, 1
    found = figures(predictions)
    assert found.pop("ece") == 0
    assert found == dict.fromkeys(found, 1.0)


def test_mean_iou_of_a_class_without_photos_is_unknown() -> None:
    predictions = made_predictions(2)
    found = metrics.per_class(metrics.confusion(predictions), predictions).mean_iou
    for label in range(4):
        assert found[label] == pytest.approx(predictions.iou[predictions.labels == label].mean(), abs=EXACT)
    assert np.isnan(found[4])


@given(st.lists(st.tuples(*[st.integers(0, 24)] * 8), min_size=1, max_size=20))
def test_iou_is_that_of_painted_boxes(corners: list[tuple[int, ...]]) -> None:
    pairs = np.array(corners, np.float32).reshape(-1, 2, 4)
    expected = []
    for pair in pairs.astype(int):
        painted = np.zeros((2, 24, 24), bool)
        for canvas, (x1, y1, x2, y2) in zip(painted, pair, strict=True):
            canvas[y1:y2, x1:x2] = True
        union = (painted[0] | painted[1]).sum()
        expected.append((painted[0] & painted[1]).sum() / union if union else 0)
    np.testing.assert_allclose(boxes.iou(pairs[:, 0], pairs[:, 1]), expected, atol=EXACT)
