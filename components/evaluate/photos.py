"""Which photos a page shows, the most telling first, and each as a picture so small that the page can hold it."""

import base64
import io
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from components.common.boxes import Boxes
from components.evaluate.predictions import Predictions

FEW_PHOTOS = 600
FEW_PX, MANY_PX = 240, 160
JPEG_QUALITY = 75
PAGE_BYTES = 6_500_000
WORST_BOXES = 24


def by_interest(predictions: Predictions) -> NDArray[np.int64]:
    """Rows of all photos: the worst boxes, then the wrong answers, the surest first, then the right ones, the least sure first."""
    worst = np.argsort(predictions.iou, kind="stable")[:WORST_BOXES]
    order = np.lexsort((np.where(predictions.right, predictions.scores, -predictions.scores), predictions.right))
    return np.concatenate([worst, order[~np.isin(order, worst)]])


def small_jpeg(jpeg: bytes, px: int) -> bytes:
    """The photo as a JPEG of at most `px` x `px` pixels."""
    with Image.open(io.BytesIO(jpeg)) as photo:
        photo.draft("RGB", (px, px))
        small = photo.convert("RGB")
    small.thumbnail((px, px))
    content = io.BytesIO()
    small.save(content, "JPEG", quality=JPEG_QUALITY)
    return content.getvalue()


def pictures(jpegs: Iterable[bytes], photos: int) -> Iterator[str]:
    """Small pictures in base64 of the first of `photos` photos, until a page is full."""
    px = FEW_PX if photos <= FEW_PHOTOS else MANY_PX
    used = 0
    for jpeg in jpegs:
        small = small_jpeg(jpeg, px)
        used += len(small)
        if used > PAGE_BYTES:
            return
        yield base64.b64encode(small).decode("ascii")


def corner_and_size(box: Boxes) -> list[float]:
    """`[x, y, width, height]` of one box, to a hundredth of a pixel."""
    x1, y1, x2, y2 = (round(float(edge), 2) for edge in box)
    return [x1, y1, max(round(x2 - x1, 2), 0.0), max(round(y2 - y1, 2), 0.0)]
