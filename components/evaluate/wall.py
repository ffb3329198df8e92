"""The photo wall: which photos tell most about a model, and each as a small picture that a page can hold.

Boxes are drawn by the page, over the photo, so they stay sharp at any size.
"""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from components.common.boxes import Boxes
from components.common.records import Records
from components.evaluate.answers import Answers, photos_at

GROUP_PHOTOS = 8
THUMBNAIL_PX = 480
JPEG_QUALITY = 80


@dataclass(frozen=True)
class WallPhoto:
    """One photo of the wall; boxes are in the pixels of the original photo, as `(x, y, width, height)`."""

    file: str
    picture: str
    width: int
    height: int
    true_class: str
    predicted_class: str
    score: float
    iou: float
    true_box: tuple[float, ...]
    predicted_box: tuple[float, ...]


def choose(answers: Answers, iou: NDArray[np.float32]) -> dict[str, NDArray[np.intp]]:
    """The rows to show, at most 8 a group and none twice: "Worst boxes" (lowest IoU first), "Wrong labels" (surest first) and
    "Right ones", evenly spread over what is left so that they are typical rather than best."""
    worst = np.argsort(iou, kind="stable")[:GROUP_PHOTOS]
    left = np.setdiff1d(np.arange(len(iou)), worst)
    wrong = left[~answers.right[left]]
    wrong = wrong[np.argsort(-answers.scores[wrong, 0], kind="stable")][:GROUP_PHOTOS]
    right = left[answers.right[left]]
    right = right[np.unique(np.linspace(0, len(right) - 1, GROUP_PHOTOS).round().astype(int))] if len(right) else right
    return {"Worst boxes": worst, "Wrong labels": wrong, "Right ones": right}


def hang(
    answers: Answers, records: Records, split: str, iou: NDArray[np.float32], classes: Sequence[str]
) -> dict[str, list[WallPhoto]]:
    """The chosen photos of each group that has any."""
    return {
        title: [
            _photo(answers, int(row), jpeg, float(iou[row]), classes)
            for row, jpeg in zip(rows, photos_at(records, split, rows.tolist()), strict=True)
        ]
        for title, rows in choose(answers, iou).items()
        if len(rows)
    }


def thumbnail(jpeg: bytes) -> str:
    """The photo as a JPEG of at most 480 x 480 pixels, in base64."""
    with Image.open(io.BytesIO(jpeg)) as photo:
        small = photo.convert("RGB")
    small.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    content = io.BytesIO()
    small.save(content, "JPEG", quality=JPEG_QUALITY)
    return base64.b64encode(content.getvalue()).decode("ascii")


def _photo(answers: Answers, row: int, jpeg: bytes, iou: float, classes: Sequence[str]) -> WallPhoto:
    width, height = answers.sizes[row].tolist()
    return WallPhoto(
        file=answers.files[row],
        picture=thumbnail(jpeg),
        width=width,
        height=height,
        true_class=classes[answers.labels[row]],
        predicted_class=classes[answers.ids[row, 0]],
        score=float(answers.scores[row, 0]),
        iou=iou,
        true_box=_corner_and_size(answers.true_boxes[row]),
        predicted_box=_corner_and_size(answers.boxes[row]),
    )


def _corner_and_size(box: Boxes) -> tuple[float, ...]:
    x1, y1, x2, y2 = (round(float(edge), 2) for edge in box)
    return x1, y1, max(x2 - x1, 0.0), max(y2 - y1, 0.0)
