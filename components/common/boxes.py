"""Boxes as NumPy arrays: `[x1, y1, x2, y2]`, float32, x to the right and y down.

In pixels, boxes are 0-based and half-open: the pixel (0, 0) alone is `[0, 0, 1, 1]`. Relative boxes are pixels divided by the
photo's width and height, so they lie in 0-1. Every function takes boxes of shape `(..., 4)`.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Boxes = NDArray[np.float32]
_INCLUSIVE_SHIFT = np.array([1, 1, 0, 0], np.float32)


def from_inclusive(boxes: ArrayLike) -> Boxes:
    """1-based pixel boxes that include their last pixel (MATLAB, the Stanford devkit) -> 0-based half-open."""
    return (np.asarray(boxes, np.float32) - _INCLUSIVE_SHIFT).astype(np.float32)


def to_inclusive(boxes: ArrayLike) -> Boxes:
    """The inverse of `from_inclusive`."""
    return (np.asarray(boxes, np.float32) + _INCLUSIVE_SHIFT).astype(np.float32)


def clip(boxes: ArrayLike, width: ArrayLike, height: ArrayLike) -> Boxes:
    """Boxes cut off at the photo's frame; a box outside the frame becomes empty, never inverted."""
    limits = np.stack(np.broadcast_arrays(width, height, width, height), axis=-1).astype(np.float32)
    return np.clip(np.asarray(boxes, np.float32), 0, limits).astype(np.float32)


def to_relative(boxes: ArrayLike, width: ArrayLike, height: ArrayLike) -> Boxes:
    """Pixels -> 0-1 of a photo of `width` x `height` pixels."""
    return (np.asarray(boxes, np.float32) / _scale(width, height)).astype(np.float32)


def to_pixels(boxes: ArrayLike, width: ArrayLike, height: ArrayLike) -> Boxes:
    """0-1 -> pixels of a photo of `width` x `height` pixels."""
    return (np.asarray(boxes, np.float32) * _scale(width, height)).astype(np.float32)


def area(boxes: ArrayLike) -> NDArray[np.float32]:
    """Areas, shape `(...)`; an empty or inverted box has area 0."""
    corners = np.asarray(boxes, np.float32)
    return np.maximum(corners[..., 2] - corners[..., 0], 0) * np.maximum(corners[..., 3] - corners[..., 1], 0)


def iou(first: ArrayLike, second: ArrayLike) -> NDArray[np.float32]:
    """Intersection over union of pairs of boxes, shape `(...)`, in 0-1; two empty boxes have IoU 0."""
    a, b = np.asarray(first, np.float32), np.asarray(second, np.float32)
    overlap = area(np.concatenate([np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])], axis=-1))
    union = area(a) + area(b) - overlap
    return np.divide(overlap, union, out=np.zeros_like(union), where=union > 0)


def _scale(width: ArrayLike, height: ArrayLike) -> NDArray[np.float32]:
    return np.stack(np.broadcast_arrays(width, height, width, height), axis=-1).astype(np.float32)
