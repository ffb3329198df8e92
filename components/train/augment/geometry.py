"""The geometry of `imgaug`: one mapping for a photo and its box, and the outline of a box, which `seed` moves too.

A mapping is an affine matrix followed by a bend: the displacements of a coarse grid, linear between its nodes. A photo keeps its
size, a box follows with points along its edges, and what comes from outside the photo is black.
"""

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from components.train.augment import KEPT_SHARE, MAX_DRAWS

Array = NDArray[np.floating]

_NODES = 4  # a side, as in imgaug's PiecewiseAffine
_TURNS = 10  # of the fixed point; an error shrinks to about a fifth in each
_STEPS = np.arange(6)[:, None] / 6
_LOOP = np.concatenate([np.hstack(edge) for edge in ((_STEPS, _STEPS * 0), (_STEPS * 0 + 1, _STEPS))])
_LOOP = np.concatenate([_LOOP, 1 - _LOOP])


def outline(boxes: Array) -> Array:
    """24 points (x, y) along the edges of each box, corners included: `(n, 4)` -> `(n, 24, 2)`, in the boxes' unit."""
    return boxes[:, None, :2] + (boxes[:, 2:] - boxes[:, :2])[:, None] * _LOOP


def upright(points: Array) -> Array:
    """The smallest upright box around each set of points: `(n, k, 2)` -> `(n, 4)`."""
    return np.concatenate([points.min(1), points.max(1)], -1)


def share(parts: Array, boxes: Array) -> Array:
    """Areas of boxes `(n, 4)` as shares of the areas of others."""
    return np.prod(parts[:, 2:] - parts[:, :2], -1) / np.prod(boxes[:, 2:] - boxes[:, :2], -1)


def place(
    boxes: Array, size: Array, bent: NDArray[np.bool_], strength: float, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    """Draws a mapping for each photo that keeps enough of its box in the frame.

    Args:
        boxes: `(n, 4)` in pixels.
        size: width and height of the photos in pixels.
        bent: `(n,)`, which photos are bent.
        strength: 0-1, scales every range.
        rng: source of the draws.

    Returns:
        Matrices `(n, 3, 3)` in pixels, bends `(n, 4, 4, 2)` as shares of the size, and the moved boxes `(n, 4)`, clipped.
    """
    n = len(boxes)
    matrices, bends, moved = np.tile(np.eye(3), (n, 1, 1)), np.zeros((n, _NODES, _NODES, 2)), boxes.copy()
    left = np.arange(n)
    for _ in range(MAX_DRAWS):
        matrix, bend = _matrices(len(left), size, strength, rng), draw_bends(bent[left], strength, rng)
        whole = upright(_move(outline(boxes[left]), matrix, bend, size))
        inside = np.clip(whole, 0, np.tile(size, 2))
        good = share(inside, whole) >= KEPT_SHARE
        matrices[left[good]], bends[left[good]], moved[left[good]] = matrix[good], bend[good], inside[good]
        left = left[~good]
        if not left.size:
            break
    return matrices, bends, moved


def warp(photo: MatLike, matrix: Array, bend: Array, reach: float, rng: np.random.Generator) -> MatLike:
    """Sends a photo through its mapping.

    Args:
        photo: uint8 `(height, width, 3)`.
        matrix: `(3, 3)` in pixels.
        bend: `(4, 4, 2)`, shares of the size.
        reach: up to this many pixels, each pixel is taken from a place of its own.
        rng: source of those places.

    Returns:
        A photo of the same shape.
    """
    height, width = photo.shape[:2]
    inverse = np.linalg.inv(matrix)[:2]
    inverse[:, 2] += inverse[:, :2] @ (0.5, 0.5) - 0.5  # OpenCV counts from the centre of the first pixel
    if not (reach or bend.any()):
        return cv2.warpAffine(photo, inverse, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    across, down = _weights((x + 0.5) / width), _weights((y + 0.5) / height)
    bend = bend.astype(np.float32)
    from_x, from_y = x + width * (down @ bend[..., 0] @ across.T), y[:, None] + height * (down @ bend[..., 1] @ across.T)
    if reach:
        shaken = rng.random((2, height, width), np.float32)
        from_x += np.float32(2 * reach) * (shaken[0] - np.float32(0.5))
        from_y += np.float32(2 * reach) * (shaken[1] - np.float32(0.5))
    (a, b, c), (d, e, f) = inverse.astype(np.float32)
    return cv2.remap(photo, a * from_x + b * from_y + c, d * from_x + e * from_y + f, cv2.INTER_LINEAR)


def _matrices(n: int, size: Array, strength: float, rng: np.random.Generator) -> Array:
    crop = rng.uniform(0, 0.1 * strength, (n, 2, 2))
    scale, shift = rng.uniform(-0.1 * strength, 0.1 * strength, (2, n, 2))
    turn = np.deg2rad(rng.uniform(-15 * strength, 15 * strength, n))
    lean = np.tan(np.deg2rad(rng.uniform(-4 * strength, 4 * strength, (2, n))))
    cos, sin, one = np.cos(turn), np.sin(turn), np.ones(n)
    rotation = np.array([[cos, -sin], [sin, cos]]).transpose(2, 0, 1)
    shear = np.array([[one, lean[0]], [lean[1], one]]).transpose(2, 0, 1)
    affine, window, mirror = np.tile(np.eye(3), (3, n, 1, 1))
    affine[:, :2, :2] = shear @ ((1 + scale)[..., None] * rotation)
    affine[:, :2, 2] = size / 2 + shift * size - affine[:, :2, :2] @ (size / 2)
    zoom = 1 / (1 - crop.sum(-1))
    window[:, [0, 1], [0, 1]] = zoom
    window[:, :2, 2] = -crop[..., 0] * size * zoom
    flip = rng.random(n) < 0.5
    mirror[flip, 0, 0], mirror[flip, 0, 2] = -1, size[0]
    cropped_first = (rng.random(n) < 0.5)[:, None, None]
    return np.where(cropped_first, affine @ window, window @ affine) @ mirror


def draw_bends(bent: NDArray[np.bool_], strength: float, rng: np.random.Generator) -> Array:
    """A node is never sent outside the frame, as in imgaug, so that a bend blackens no border."""
    n = len(bent)
    steps = np.linspace(0, 1, _NODES)
    nodes = np.stack(np.meshgrid(steps, steps), -1)
    scale = rng.uniform(0.01 * strength, 0.05 * strength, (n, 1, 1, 1)) * bent[:, None, None, None]
    return np.clip(nodes + scale * rng.standard_normal((n, _NODES, _NODES, 2)), 0, 1) - nodes


def _move(points: Array, matrices: Array, bends: Array, size: Array) -> Array:
    """Where points `(n, k, 2)` of the photos go. A bend says where a pixel comes from, so its inverse is found as a fixed point."""
    straight = points @ matrices[:, :2, :2].transpose(0, 2, 1) + matrices[:, None, :2, 2]
    moved = straight.copy()
    bent = bends.any((1, 2, 3))
    for _ in range(_TURNS if bent.any() else 0):
        across, down = _weights(moved[bent, :, 0] / size[0]), _weights(moved[bent, :, 1] / size[1])
        moved[bent] = straight[bent] - size * np.einsum("nky,nkx,nyxc->nkc", down, across, bends[bent])
    return moved


def _weights(places: NDArray[np.floating]) -> NDArray[np.floating]:
    """Shares of the grid's nodes in what lies at relative places: `(...)` -> `(..., 4)`."""
    return np.maximum(0, 1 - np.abs(np.clip(places, 0, 1)[..., None] * (_NODES - 1) - np.arange(_NODES))).astype(places.dtype)
