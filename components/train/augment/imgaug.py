"""The chain of `seed` at a small part of its cost: NumPy and OpenCV alone, made for worker processes.

- All geometry is one mapping, through which a photo is warped once. It is drawn, and the box moved and judged, before a pixel is
  touched, so that drawing again costs next to nothing.
- Families, odds and ranges are those of `seed`. Three effects are of the same kind but made another way: a superpixel is the bright
  or the dark part of a cell of a grid, a median is taken where its kernel is 3 px, and noise is cut from a stored field.
- Each photo draws its own effects. imgaug's augmenters, on groups of four photos, take from 1.4 (kernels) to 17 times (noise) as
  long as the OpenCV calls here, and importing them takes a worker over a second.
"""

import functools
import math
from collections.abc import Callable

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from components.train.augment.geometry import Array, place, warp

Effect = Callable[[MatLike, np.random.Generator, float], MatLike]

_MOST_EFFECTS = 5
_NOISE_SIGMA = 32  # of the stored field, which is centred at 128 and so holds 4 sigma


def augment(
    photos: NDArray[np.uint8], boxes: NDArray[np.float32], seed: int, strength: float = 1.0
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Augments a batch; shapes, ranges and guarantees are the package's."""
    rng = np.random.default_rng(seed)
    n, height, width, _ = photos.shape
    families = len(EFFECTS) + 2  # the last two are elastic and piecewise-affine, which belong to the mapping
    order = rng.random((n, families)).argsort(1)
    order[np.arange(families) >= rng.integers(0, _MOST_EFFECTS + 1, (n, 1))] = -1
    shaken, bent = [(order == len(EFFECTS) + i).any(1) & (rng.random(n) < 0.5) for i in range(2)]
    reach = shaken * rng.uniform(0.5 * strength, 3.5 * strength, n)
    size = np.array([width, height], np.float64)
    matrices, bends, moved = place(boxes * np.tile(size, 2), size, bent, strength, rng)
    augmented = np.empty_like(photos)
    for i in range(n):
        photo = warp(photos[i], matrices[i], bends[i], reach[i], rng)
        for k in order[i]:
            if 0 <= k < len(EFFECTS):
                photo = EFFECTS[k](photo, rng, strength)
        augmented[i] = photo
    return augmented, (moved / np.tile(size, 2)).astype(np.float32)


def _superpixels(photo: MatLike, rng: np.random.Generator, strength: float) -> MatLike:
    if rng.random() < 0.5:
        return photo
    height, width = photo.shape[:2]
    half = cv2.resize(photo, (max(1, width // 2), max(1, height // 2)), interpolation=cv2.INTER_AREA)
    cells = rng.integers(20, 201) / 2
    rows = max(1, round(math.sqrt(cells * height / width)))
    columns = max(1, round(cells / rows))
    y, x = (np.arange(side) * count // side for side, count in zip(half.shape, (rows, columns), strict=False))
    cell = y[:, None] * columns + x
    gray = cv2.cvtColor(half, cv2.COLOR_RGB2GRAY)
    mean = np.bincount(cell.ravel(), gray.ravel()) / np.bincount(cell.ravel())
    segments = 2 * cell + (gray > mean[cell])
    count = np.maximum(1, np.bincount(segments.ravel(), minlength=2 * rows * columns))
    colors = np.stack([np.bincount(segments.ravel(), c.ravel(), 2 * rows * columns) / count for c in cv2.split(half)], -1)
    replaced = rng.random(len(count)) < rng.uniform(0, strength)
    flat = cv2.resize(colors.astype(np.uint8)[segments], (width, height), interpolation=cv2.INTER_NEAREST)
    mask = cv2.resize(replaced.astype(np.uint8)[segments], (width, height), interpolation=cv2.INTER_NEAREST)
    return cv2.copyTo(flat, mask, photo.copy())


def _blur(photo: MatLike, rng: np.random.Generator, strength: float) -> MatLike:
    kind = rng.integers(3)
    if kind == 0:
        sigma = rng.uniform(0, 3 * strength)
        kernel = max(5, int(3.3 * sigma)) | 1  # imgaug's choice: 99% of the weight
        return cv2.GaussianBlur(photo, (kernel, kernel), sigma) if sigma > 1e-3 else photo
    if kind == 1:
        kernel = int(rng.integers(round(1 + strength), round(1 + 6 * strength) + 1))
        return cv2.blur(photo, (kernel, kernel))
    kernel = int(rng.integers(1 + 2 * round(strength), 2 + 2 * round(5 * strength))) | 1
    if kernel == 1:
        return photo
    height, width = photo.shape[:2]
    small = cv2.resize(photo, (max(1, width * 3 // kernel), max(1, height * 3 // kernel)), interpolation=cv2.INTER_AREA)
    return cv2.resize(cv2.medianBlur(small, 3), (width, height), interpolation=cv2.INTER_LINEAR)


def _sharpen_or_drop(photo: MatLike, rng: np.random.Generator, strength: float) -> MatLike:
    sharp = _convolve(photo, [[-1, -1, -1], [-1, 10, -1], [-1, -1, -1]], strength)
    alpha = rng.uniform(0.2, 0.8, _channels(rng, 0.5))
    return _mix(sharp, alpha, _keep(photo, rng.random((8, 8, 1)) >= 0.1 * strength), 1 - alpha)


def _sharpen(photo: MatLike, rng: np.random.Generator, strength: float) -> MatLike:
    lightness = rng.uniform(0.75, 1.5)
    return _convolve(photo, [[-1, -1, -1], [-1, 8 + lightness, -1], [-1, -1, -1]], rng.uniform(0, strength))


def _emboss(photo: MatLike, rng: np.random.Generator, strength: float) -> MatLike:
    s = rng.uniform(0, 2)
    return _convolve(photo, [[-1 - s, -s, 0], [-s, 1, s], [0, s, 1 + s]], rng.uniform(0, strength))


def _edges(photo: MatLike, rng: np.random.Generator, strength: float) -> MatLike:
    if rng.random() < 0.5:
        return photo
    kernel = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
    if rng.random() < 0.5:
        y, x = np.mgrid[-1:2, -1:2]
        apart = np.abs(np.angle(np.exp(1j * (np.arctan2(y, x) - rng.uniform(-np.pi, np.pi)))))
        toward = (1 - apart / np.pi) ** 4 * ((x != 0) | (y != 0))
        kernel = (x == 0) * (y == 0) - toward / toward.sum()
    return _convolve(photo, kernel, rng.uniform(0, 0.5 * strength))


def _noise(photo: MatLike, rng: np.random.Generator, strength: float) -> MatLike:
    height, width = photo.shape[:2]
    y, x = rng.integers(height + 1), rng.integers(width + 1)
    field = _noise_field(height, width)[y : y + height, x : x + width]
    if _channels(rng, 0.5) == 1:
        field = cv2.merge([cv2.extractChannel(field, 0)] * 3)
    gain = rng.uniform(0, 0.05 * 255 * strength, 1) / _NOISE_SIGMA
    return _mix(photo, np.ones(1), field, gain, -128 * gain)


@functools.lru_cache(maxsize=2)
def _noise_field(height: int, width: int) -> MatLike:
    """Gaussian noise for any place in it: drawing it afresh takes twenty times as long."""
    noise = np.random.default_rng(0).standard_normal((2 * height, 2 * width, 3), np.float32)
    return np.clip(np.rint(128 + _NOISE_SIGMA * noise), 0, 255).astype(np.uint8)


def _drop(photo: MatLike, rng: np.random.Generator, strength: float) -> MatLike:
    height, width = photo.shape[:2]
    if rng.random() < 0.5:
        drawn, dropped = rng.random((height, width, _channels(rng, 0.5)), np.float32), rng.uniform(0.01, 0.1)
    else:
        rows, columns = (max(3, int(side * rng.uniform(0.02, 0.05))) for side in (height, width))
        drawn, dropped = rng.random((rows, columns, _channels(rng, 0.2)), np.float32), rng.uniform(0.03, 0.15)
    return _keep(photo, drawn >= dropped * strength)


def _invert(photo: MatLike, rng: np.random.Generator, strength: float) -> MatLike:
    inverted = rng.random(3) < 0.05 * strength
    return _mix(photo, 1 - 2.0 * inverted, photo, np.zeros(3), 255.0 * inverted) if inverted.any() else photo


def _add(photo: MatLike, rng: np.random.Generator, strength: float) -> MatLike:
    plus = np.rint(rng.uniform(-10 * strength, 10 * strength, _channels(rng, 0.5)))
    return _mix(photo, np.ones(plus.size), photo, np.zeros(plus.size), plus)


def _multiply(photo: MatLike, rng: np.random.Generator, strength: float) -> MatLike:
    gain = rng.uniform(1 - 0.5 * strength, 1 + 0.5 * strength, _channels(rng, 0.5))
    return _mix(photo, gain, photo, np.zeros(gain.size))


def _grayscale(photo: MatLike, rng: np.random.Generator, strength: float) -> MatLike:
    alpha = rng.uniform(0, strength, 1)
    gray = cv2.cvtColor(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return _mix(photo, 1 - alpha, gray, alpha)


def _contrast(photo: MatLike, rng: np.random.Generator, strength: float) -> MatLike:
    gain = rng.uniform(1 - 0.6 * strength, 1 + 0.6 * strength, 3)
    return _mix(photo, gain, photo, np.zeros(3), 127 * (1 - gain))


EFFECTS: tuple[Effect, ...] = (
    *(_superpixels, _blur, _sharpen_or_drop, _sharpen, _emboss, _edges, _noise),
    *(_drop, _invert, _add, _multiply, _grayscale, _contrast),
)


def _channels(rng: np.random.Generator, odds: float) -> int:
    """How many values an effect draws: one for each channel, or one for all."""
    return 3 if rng.random() < odds else 1


def _mix(first: MatLike, a: Array, second: MatLike, b: Array, c: Array | None = None) -> MatLike:
    """`a * first + b * second + c`, rounded and clipped; one value for all channels or one for each."""
    c = np.zeros(a.size) if c is None else c
    if a.size == 1:
        return cv2.addWeighted(first, a[0], second, b[0], c[0])
    return cv2.merge([cv2.addWeighted(*each) for each in zip(cv2.split(first), a, cv2.split(second), b, c, strict=True)])


def _convolve(photo: MatLike, kernel: object, alpha: float) -> MatLike:
    weights = alpha * np.asarray(kernel, np.float32)
    weights[1, 1] += 1 - alpha
    return cv2.filter2D(photo, -1, weights)


def _keep(photo: MatLike, mask: NDArray[np.bool_]) -> MatLike:
    """Blackens what a mask of any resolution, of one or three channels, does not keep."""
    full = cv2.resize(mask.view(np.uint8), (photo.shape[1], photo.shape[0]), interpolation=cv2.INTER_NEAREST)
    return cv2.multiply(photo, full if full.ndim == 3 else cv2.merge([full] * 3))
