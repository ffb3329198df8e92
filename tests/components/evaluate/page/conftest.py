"""Pages on synthetic data: as many classes and photos as a test wants, names included."""

import base64
import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image

FIGURES = (
    "top1",
    "top5",
    "macro_f1",
    "weighted_f1",
    "mean_iou",
    "median_iou",
    "iou_50",
    "iou_75",
    "iou_90",
    "ap",
    "ap_50",
    "ap_75",
    "ece",
)


def jpeg(generator: np.random.Generator, width: int, height: int) -> str:
    """Noise, which no coder makes small, as base64."""
    file = io.BytesIO()
    Image.fromarray(generator.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(file, "JPEG", quality=60)
    return base64.b64encode(file.getvalue()).decode("ascii")


def metrics(photos: int, classes: int) -> dict[str, Any]:
    figures = {name: 0.5 + 0.02 * place for place, name in enumerate(FIGURES)}
    return {
        **figures, "mean_box_iou_baseline": 0.4, "resamples": 1000,
        "intervals": {name: [value - 0.05, value + 0.05] for name, value in figures.items()},
        "split": "test", "photos": photos, "classes": classes, "images_per_s": 100.0, "latency_ms": {"p50": 20.0, "p95": 35.0},
        "blessed": True, "reasons": ["top-1 is at least 30%"], "missed": [], "override": "",
    }  # fmt: skip


def report(names: Sequence[str], photos: int, size: tuple[int, int] = (16, 12)) -> dict[str, Any]:
    """Photo i is of class i modulo classes; every third is taken for the next class, with a box that is off."""
    generator = np.random.default_rng(0)
    classes = len(names)
    truth = np.arange(photos) % classes
    wrong = np.arange(photos) % 3 == 0
    answers = np.where(wrong, (truth + 1) % classes, truth)
    matrix = np.zeros((classes, classes), int)
    np.add.at(matrix, (truth, answers), 1)
    ids = list(range(classes))
    recall = np.diag(matrix) / np.maximum(matrix.sum(axis=1), 1)
    return {
        "metrics": metrics(photos, classes),
        "classes": list(names),
        "orders": {"by name": ids, "by make": ids, "by similarity": ids[::-1]},
        "confusion": [[int(t), int(p), int(matrix[t, p])] for t, p in zip(*np.nonzero(matrix), strict=True)],
        "per_class": [
            {
                "class": name, "precision": float(recall[place]), "recall": float(recall[place]), "f1": float(recall[place]),
                "support": int(matrix[place].sum()), "mean_iou": 0.8 if matrix[place].sum() else None,
            }
            for place, name in enumerate(names)
        ],
        "confused": [
            {"true": names[t], "predicted": names[p], "photos": int(matrix[t, p]), "share": float(matrix[t, p] / matrix[t].sum())}
            for t, p in zip(*np.nonzero(matrix), strict=True)
            if t != p
        ][:20],
        "slices": [
            {
                "dimension": "make", "value": value, "photos": 10, "top1": 0.5, "top1_low": 0.4, "top1_high": 0.6,
                "mean_iou": 0.7, "mean_iou_low": 0.65, "mean_iou_high": 0.75, "weak": weak,
            }
            for value, weak in (("Alpha", False), ("Beta", True))
        ],
        "calibration": [
            {"low": 0.0, "high": 0.5, "photos": 0, "confidence": None, "accuracy": None},
            {"low": 0.5, "high": 1.0, "photos": photos, "confidence": 0.75, "accuracy": 0.7},
        ],
        "iou": {"edges": [0.0, 0.5, 1.0], "photos": [1, photos - 1]},
        "history": {
            "epoch": [1, 2], "loss": [2.0, 1.0], "val_loss": [2.5, None], "val_top1": [0.1, 0.5], "val_iou": [0.6, 0.7],
            "seconds": [3.0, 3.0],
        },
        "data": {
            "source": "toy", "train": [9] * classes, "validation": [1] * classes, "test": [2] * classes,
            "rejected": [["too small", 3]],
        },
        "card": f"<h2>Limits</h2><p>Cars <em>only</em>.</p><ul><li>model: <code>{'0123456789abcdef' * 4}</code></li></ul>",
        "heat": [{"file": "heat.jpg", "true": names[0], "predicted": names[0], "score": 0.9, "picture": jpeg(generator, 48, 12)}],
        "photos": [
            {
                "file": f"photo-{place}.jpg", "picture": jpeg(generator, *size), "width": 640, "height": 480,
                "true": int(truth[place]), "predicted": int(answers[place]), "score": round(0.5 + 0.4 * place / photos, 3),
                "iou": 0.4 if wrong[place] else 0.9, "true_box": [50, 60, 400, 300], "predicted_box": [60, 70, 380, 290],
            }
            for place in range(photos)
        ],
        "photos_left_out": 0,
    }  # fmt: skip


def comparison(names: Sequence[str], photos: int) -> dict[str, Any]:
    """Of four photos, the first is recognised by both models, the second by a, the third by b, the fourth by neither."""
    base = report(names, photos)
    classes = len(names)
    compared = [
        {
            **{key: photo[key] for key in ("file", "picture", "width", "height", "true", "true_box")},
            "predicted_a": (photo["true"] + (place % 4 in (2, 3))) % classes,
            "predicted_b": (photo["true"] + (place % 4 in (1, 3))) % classes,
            "score_a": 0.6, "score_b": 0.7, "iou_a": 0.8, "iou_b": 0.9, "box_a": [60, 70, 380, 290], "box_b": [40, 50, 410, 310],
        }
        for place, photo in enumerate(base["photos"])
    ]  # fmt: skip
    return {
        "names": ["champion", "challenger"],
        "metrics": [base["metrics"], base["metrics"]],
        "differences": {name: {"difference": 0.02, "low": 0.01, "high": 0.03} for name in FIGURES},
        "counts": {
            name: sum(place % 4 == rest for place in range(photos))
            for rest, name in enumerate(("both", "only_a", "only_b", "neither"))
        },
        "classes": list(names),
        "per_class": [
            {"class": name, "support": 4, "recall_a": 0.5, "recall_b": place / classes, "iou_a": 0.8, "iou_b": 0.9}
            for place, name in enumerate(names)
        ],
        "slices": [{"dimension": "make", "value": "Alpha", "photos": 10, "difference": 0.1, "low": -0.05, "high": 0.25}],
        "photos": compared,
        "photos_left_out": 5,
    }


@pytest.fixture(scope="session")
def make_report() -> Callable[..., dict[str, Any]]:
    return report


@pytest.fixture(scope="session")
def make_comparison() -> Callable[..., dict[str, Any]]:
    return comparison
