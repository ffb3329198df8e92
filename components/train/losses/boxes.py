"""The losses of the box head and the overlaps they are made of.

Boxes are `(..., 4)`: x1, y1, x2, y2 relative to the photo, x1 <= x2 and y1 <= y2. An overlap or a loss has the shape `(...)`.
"""

import math
from collections.abc import Callable
from typing import TypeAlias

import keras
from keras import ops

from components.train.losses.precision import at_least_float32

Tensor: TypeAlias = keras.KerasTensor

TINY = 1e-7  # keeps quotients of empty boxes finite; a pixel of a 1024 px photo has ten times that area
SMOOTH_WITHIN = 0.1  # of the photo's side: Huber's loss is a parabola up to here
MSLE_PX = 224  # the original project's input


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union, 0-1; 0 of two empty boxes."""
    overlap, union = _overlap_and_union(at_least_float32(a), at_least_float32(b))
    return overlap / ops.maximum(union, TINY)


def giou(a: Tensor, b: Tensor) -> Tensor:
    """Generalized IoU, -1 to 1: IoU less the share of the hull that neither box covers (arXiv:1902.09630)."""
    a, b = at_least_float32(a), at_least_float32(b)
    overlap, union = _overlap_and_union(a, b)
    hull = _area(_hull_sides(a, b))
    return overlap / ops.maximum(union, TINY) - (hull - union) / ops.maximum(hull, TINY)


def ciou(a: Tensor, b: Tensor) -> Tensor:
    """Complete IoU, -1.5 to 1: IoU less the distance of the centres and the difference in shape (arXiv:1911.08287, equation 10).

    The distance is squared and relative to the hull's diagonal; the shape is the angle of the box's diagonal, whose factor
    alpha (equation 11) is a constant to the gradient.
    """
    a, b = at_least_float32(a), at_least_float32(b)
    overlap = iou(a, b)
    apart = (a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2
    distance = ops.sum(apart**2, axis=-1) / ops.maximum(ops.sum(_hull_sides(a, b) ** 2, axis=-1), TINY)
    shape = (2 / math.pi * (_angle(a) - _angle(b))) ** 2
    alpha = ops.stop_gradient(shape / (1 - overlap + shape + TINY))
    return overlap - distance - alpha * shape


def huber(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Huber's loss of the corners, its slope 1 where it is straight: the smooth L1 of arXiv:1504.08083, the mean of four."""
    return keras.losses.huber(at_least_float32(y_true), at_least_float32(y_pred), delta=SMOOTH_WITHIN) / SMOOTH_WITHIN


def msle(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """The mean squared difference of log(1 + corner), in pixels of a photo of 224 x 224, as the original project had it.

    A corner left of or above the photo counts as -log(1 - corner): Keras's own has no slope there, and leaves it there.
    """

    def logarithm(boxes: Tensor) -> Tensor:
        corners = at_least_float32(boxes) * MSLE_PX
        return ops.sign(corners) * ops.log1p(ops.abs(corners))

    return ops.mean((logarithm(y_true) - logarithm(y_pred)) ** 2, axis=-1)


# Scaled so that the mean box of Stanford Cars costs .3 to .7 with each of them.
KINDS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1_giou": lambda y_true, y_pred: 5 * huber(y_true, y_pred) + 1 - giou(y_true, y_pred),
    "huber": lambda y_true, y_pred: 10 * huber(y_true, y_pred),
    "giou": lambda y_true, y_pred: 1 - giou(y_true, y_pred),
    "ciou": lambda y_true, y_pred: 1 - ciou(y_true, y_pred),
    "msle": msle,
}


class BoxLoss(keras.losses.Loss):
    """A loss of boxes `(n, 4)`, by its name in `KINDS`; 0 at the truth.

    `huber` moves a box that is far off, `giou` and `ciou` are next to what the metric measures, `l1_giou` does both (as in DETR,
    arXiv:2005.12872), `msle` is for comparison: a pixel near the photo's left and top counts far more than one on the right.
    """

    def __init__(self, kind: str = "l1_giou"):
        super().__init__(name="box_loss")
        self.kind = kind

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """-> loss per box, shape `(n,)`."""
        return KINDS[self.kind](y_true, y_pred)


def _overlap_and_union(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    overlap = _area(ops.maximum(ops.minimum(a[..., 2:], b[..., 2:]) - ops.maximum(a[..., :2], b[..., :2]), 0))
    return overlap, _area(a[..., 2:] - a[..., :2]) + _area(b[..., 2:] - b[..., :2]) - overlap


def _hull_sides(a: Tensor, b: Tensor) -> Tensor:
    return ops.maximum(a[..., 2:], b[..., 2:]) - ops.minimum(a[..., :2], b[..., :2])


def _area(sides: Tensor) -> Tensor:
    return sides[..., 0] * sides[..., 1]


def _angle(boxes: Tensor) -> Tensor:
    sides = ops.maximum(boxes[..., 2:] - boxes[..., :2], TINY)
    return ops.arctan2(sides[..., 0], sides[..., 1])
