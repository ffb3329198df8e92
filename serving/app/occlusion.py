"""Which parts of a photo an answer hangs on, found by asking alone: a gray patch is put on one part after the other, and what the
score of the answer and the box lose by it is the heat of that part (occlusion sensitivity, Zeiler & Fergus, "Visualizing and
understanding convolutional networks", 2014).

It needs nothing of the model but its answers, so any server will do. Cost: one photo of at most `SIDE_PX` a cell, at most
`max(GRIDS) ** 2` of them.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from components.common import boxes
from serving.client.wire import Prediction

GRIDS = (6, 9, 12)
SIDE_PX = 320
GRAY = (128, 128, 128)
JPEG_QUALITY = 90
FAINT = 0.02
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Heat:
    """`score` and `box` float32 `(rows, columns)`: what the score of `label` (0-1), and the IoU with the box of the whole photo,
    lose when the part is hidden; negative where hiding it helps. `whole` is the answer about the photo with nothing hidden."""

    score: Floats
    box: Floats
    label: str
    whole: Prediction


def grid(width: int, height: int, cells: int) -> tuple[int, int]:
    """(rows, columns) of about square parts, `cells` of them along the longer side."""
    longer = max(width, height)
    return max(1, round(cells * height / longer)), max(1, round(cells * width / longer))


def hidden(image: Image.Image, rows: int, columns: int) -> Iterator[Image.Image]:
    """The image once a part, row by row, with a gray patch over that part and half of its neighbours'."""
    for row in range(rows):
        for column in range(columns):
            patched = image.copy()
            left, right = round((column - 0.5) * image.width / columns), round((column + 1.5) * image.width / columns)
            top, bottom = round((row - 0.5) * image.height / rows), round((row + 1.5) * image.height / rows)
            patched.paste(GRAY, (left, top, right, bottom))
            yield patched


def heat(image: Image.Image, cells: int, ask: Callable[[Sequence[bytes]], Sequence[Prediction]]) -> Heat:
    """The heat of an upright RGB image; `ask` answers about JPEGs, and a label that is not among its answers counts as 0.

    Raises:
        UserError: of `ask`.
    """
    small = image.copy()
    small.thumbnail((SIDE_PX, SIDE_PX))
    rows, columns = grid(small.width, small.height, cells)
    whole, *answers = ask([_jpeg(small), *map(_jpeg, hidden(small, rows, columns))])
    label = whole.labels[0]
    scores = np.array([dict(zip(answer.labels, answer.scores, strict=True)).get(label, 0.0) for answer in answers], np.float32)
    overlap = boxes.iou([answer.box for answer in answers], whole.box)
    return Heat(
        (whole.scores[0] - scores).reshape(rows, columns).astype(np.float32), (1 - overlap).reshape(rows, columns), label, whole
    )


def overlay(loss: Floats, width: int, height: int) -> bytes:
    """`loss` `(rows, columns)` as a PNG of `width` x `height` to lie on the photo: clear where nothing is lost, red where most is.

    Losses are shown relative to the largest, or to `FAINT` where that is more, so that noise stays clear.
    """
    shares = np.clip(loss / max(float(loss.max()), FAINT), 0, 1).astype(np.float32)
    smooth = np.clip(np.asarray(Image.fromarray(shares).resize((width, height), Image.Resampling.BICUBIC)), 0, 1)
    rgba = np.empty((height, width, 4), np.uint8)
    rgba[..., 0] = 245
    rgba[..., 1] = 200 * (1 - smooth)
    rgba[..., 2] = 30 * (1 - smooth)
    rgba[..., 3] = 200 * smooth
    content = io.BytesIO()
    Image.fromarray(rgba).save(content, "PNG")
    return content.getvalue()


def _jpeg(image: Image.Image) -> bytes:
    content = io.BytesIO()
    image.save(content, "JPEG", quality=JPEG_QUALITY)
    return content.getvalue()
