import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support, top_k_accuracy_score

from components.common import boxes
from components.evaluate import metrics

CLASSES = 7
repeatable = settings(deadline=None, derandomize=True)
seeds = st.integers(0, 2**32 - 1)


def guesses(seed: int, photos: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, the scores of every class and the ranking by them; the last class never occurs."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES - 1, photos).astype(np.int32)
    scores = rng.random((photos, CLASSES))
    scores[np.arange(photos), labels] += rng.random(photos)
    scores[:, -1] = -1
    return labels, scores, np.argsort(-scores, axis=1).astype(np.int32)


@repeatable
@given(seeds)
def test_labels_figures_are_scikit_learns(seed: int) -> None:
    labels, scores, ranked = guesses(seed)
    iou = np.zeros(len(labels), np.float32)
    matrix = metrics.confusion(labels, ranked[:, 0], CLASSES)
    found = metrics.per_class(matrix, labels, iou)
    summary = metrics.summary(labels, ranked, iou, iou, CLASSES)
    everyone = np.arange(CLASSES)

    np.testing.assert_array_equal(matrix, confusion_matrix(labels, ranked[:, 0], labels=everyone))
    expected = precision_recall_fscore_support(labels, ranked[:, 0], labels=everyone, zero_division=0)
    for ours, theirs in zip((found.precision, found.recall, found.f1, found.support), expected, strict=True):
        np.testing.assert_allclose(ours, theirs)
    assert summary["macro_f1"] == pytest.approx(f1_score(labels, ranked[:, 0], average="macro", zero_division=0))
    for name, k in (("top1", 1), ("top5", 5)):
        assert summary[name] == pytest.approx(top_k_accuracy_score(labels, scores, k=k, labels=everyone))


@repeatable
@given(seeds)
def test_figures_do_not_depend_on_the_photos_order(seed: int) -> None:
    labels, _, ranked = guesses(seed)
    rng = np.random.default_rng(seed)
    iou = rng.random(len(labels), np.float32)
    order = rng.permutation(len(labels))
    straight = metrics.summary(labels, ranked, iou, iou / 2, CLASSES)
    shuffled = metrics.summary(labels[order], ranked[order], iou[order], iou[order] / 2, CLASSES)
    assert shuffled == pytest.approx(straight)


@repeatable
@given(seeds)
def test_figures_are_shares_and_ordered(seed: int) -> None:
    labels, _, ranked = guesses(seed)
    iou = np.random.default_rng(seed).random(len(labels), np.float32)
    found = metrics.summary(labels, ranked, iou, iou, CLASSES)
    assert 0 <= found["top1"] <= found["top5"] <= 1
    assert 0 <= found["iou_75"] <= found["iou_50"] <= 1
    assert found["mean_iou"] >= 0.75 * found["iou_75"]
    assert found["photos"] == len(labels)


def test_known_answers() -> None:
    labels = np.array([0, 0, 1, 2], np.int32)
    ranked = np.array([[0, 1], [1, 0], [1, 0], [1, 0]], np.int32)
    iou = np.array([0.5, 0.75, 0.25, 1.0], np.float32)
    baseline = np.array([0.0, 0.5, 0.5, 1.0], np.float32)
    found = metrics.summary(labels, ranked, iou, baseline, 4)
    assert found == {
        "top1": 0.5,
        "top5": 0.75,
        "mean_iou": 0.625,
        "median_iou": 0.625,
        "iou_50": 0.75,
        "iou_75": 0.5,
        "mean_box_iou_baseline": 0.5,
        "macro_f1": pytest.approx((2 / 3 + 2 / 4 + 0) / 3),
        "photos": 4,
        "classes": 4,
    }
    per_class = metrics.per_class(metrics.confusion(labels, ranked[:, 0], 4), labels, iou)
    np.testing.assert_array_equal(per_class.mean_iou, [0.625, 0.25, 1.0, np.nan])


@repeatable
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
    np.testing.assert_allclose(boxes.iou(pairs[:, 0], pairs[:, 1]), expected, rtol=1e-5)
