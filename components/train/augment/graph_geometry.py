"""Geometry of the `graph` policy: each photo's draw, the box moved along, and the warp."""

import math

import tensorflow as tf

from components.train.augment import KEPT_SHARE, MAX_DRAWS
from components.train.augment.graph_families import AFFINE, Drawn, to_uint8
from components.train.augment.graph_numbers import Draws, pixel_cells, random_bits

GRID = 4  # points a side that piecewise affine moves
GEOMETRIES = MAX_DRAWS + 1  # the last one moves nothing


@tf.function(jit_compile=True)
def geometry(
    photos: tf.Tensor, boxes: tf.Tensor, numbers: tf.Tensor, drawn: Drawn, strength: tf.Tensor, largest: bool
) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws geometries and takes the first that keeps enough of the box.

    Returns:
        The place in the photo that comes to lie at each pixel, `(n, 2, height, width)` as x and y, in pixels; the moved boxes.
    """
    n, height, width = tf.unstack(tf.shape(photos)[:3])
    size = tf.cast(tf.stack([width, height]), tf.float32)
    draws = Draws(numbers, largest)
    reach = strength * tf.constant([1.0] * MAX_DRAWS + [0.0])
    mirror = tf.stack([1 - 2 * draws.coin(), tf.ones([n])], -1)
    matrix, offset = _affine(draws, drawn, reach, size)
    spread = math.sqrt(3) * (0.01 + 0.04 * draws.amount()) * drawn["piecewise affine"] * draws.half()
    grid = (2 * draws.uniform(GRID, GRID, 2) - 1) * spread[:, None, None, None] * size
    grid = grid[:, None] * reach[:, None, None, None]

    moved = _moved(boxes, mirror, matrix, offset, grid, size)
    clipped = tf.clip_by_value(moved, 0.0, 1.0)
    kept = (_area(clipped) >= KEPT_SHARE * _area(moved)) | (tf.range(GEOMETRIES) == MAX_DRAWS)
    first = tf.argmax(tf.cast(kept, tf.int32), axis=1)
    matrix, offset, grid, clipped = (tf.gather(values, first, batch_dims=1) for values in (matrix, offset, grid, clipped))

    rows, columns = (tf.range(side, dtype=tf.float32) - (tf.cast(side, tf.float32) - 1) / 2 for side in (height, width))
    lines = tf.einsum("nijk,wj->nkiw", grid, _hats(columns / size[0]))
    row_hats = _hats(rows / size[1])
    shift = sum(row_hats[:, i, None] * lines[:, :, i, None] for i in range(GRID)) - offset[..., None, None]
    x, y = columns + shift[:, 0], rows[:, None] + shift[:, 1]
    inverse = mirror[:, :, None] * _inverse(matrix)
    jitter = strength * (0.5 + 3 * draws.amount()) * drawn["elastic"] * draws.half()
    bits = random_bits(draws.salt(), *pixel_cells(n, height, width), tf.zeros([n]), channels=1)[..., 0]
    origins = []
    for k, part in enumerate((bits & 0xFFFF, tf.bitwise.right_shift(bits, 16))):
        wobble = (tf.cast(tf.cast(part, tf.int32), tf.float32) / 2**15 - 1) * jitter[:, None, None]
        origins.append(inverse[:, k, 0, None, None] * x + inverse[:, k, 1, None, None] * y + wobble + (size[k] - 1) / 2)
    return tf.stack(origins, 1), clipped


def _affine(draws: Draws, drawn: Drawn, reach: tf.Tensor, size: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """`(n, GEOMETRIES, 2, 2)` and `(n, GEOMETRIES, 2)`: what takes a point, counted from the centre, to its new place."""
    on = {name: drawn[name][:, None] * reach for name in AFFINE}
    crop = 0.1 * draws.uniform(GEOMETRIES, 2, 2) * reach[:, None, None]
    zoom = (1 + 0.1 * draws.signed(GEOMETRIES, 2) * on["scale"][..., None]) / (1 - tf.reduce_sum(crop, -1))
    angle = math.radians(15) * draws.signed(GEOMETRIES) * on["rotate"]
    across, down = tf.unstack(tf.tan(math.radians(4) * draws.signed(GEOMETRIES, 2) * on["shear"][..., None]), axis=-1)
    cos, sin = tf.cos(angle), tf.sin(angle)
    turn = tf.stack(
        [tf.stack([cos - sin * down, cos * across - sin], -1), tf.stack([sin + cos * down, sin * across + cos], -1)], -2
    )
    matrix = turn * zoom[..., None, :]
    centre = (crop[..., 0] - crop[..., 1]) / 2 * size
    shift = 0.1 * draws.signed(GEOMETRIES, 2) * on["translate"][..., None] * size
    return matrix, shift - tf.linalg.matvec(matrix, centre)


def _inverse(matrix: tf.Tensor) -> tf.Tensor:
    a, b, c, d = tf.unstack(tf.reshape(matrix, [-1, 4]), axis=1)
    return tf.reshape(tf.stack([d, -b, -c, a], 1), [-1, 2, 2]) / (a * d - b * c)[:, None, None]


def _moved(
    boxes: tf.Tensor, mirror: tf.Tensor, matrix: tf.Tensor, offset: tf.Tensor, grid: tf.Tensor, size: tf.Tensor
) -> tf.Tensor:
    """`(n, GEOMETRIES, 4)`: the boxes around the moved outlines, not clipped.

    The warp displaces by the grid where a pixel arrives, so that a point's new place solves `place + displacement(place) = target`.
    """
    along = tf.linspace(0.0, 1.0, 9)
    low, high = tf.zeros_like(along), tf.ones_like(along)
    outline = tf.concat([tf.stack(side, -1) for side in ((along, low), (along, high), (low, along), (high, along))], 0)
    points = (boxes[:, None, :2] + outline * (boxes[:, None, 2:] - boxes[:, None, :2]) - 0.5) * size * mirror[:, None]
    targets = tf.einsum("ncij,npj->ncpi", matrix, points) + offset[:, :, None]
    places = targets
    for _ in range(4):
        hats = _hats(places / size)
        places = targets - tf.reduce_sum(hats[..., 1, :, None, None] * hats[..., 0, None, :, None] * grid[:, :, None], [3, 4])
    return tf.concat([tf.reduce_min(places, 2), tf.reduce_max(places, 2)], -1) / tf.tile(size, [2]) + 0.5


def _hats(places: tf.Tensor) -> tf.Tensor:
    """`(..., GRID)`: the grid's bilinear weights at places from -.5 to .5."""
    at = tf.clip_by_value(places + 0.5, 0.0, 1.0) * (GRID - 1)
    return tf.nn.relu(1 - tf.abs(at[..., None] - tf.range(GRID, dtype=tf.float32)))


def _area(boxes: tf.Tensor) -> tf.Tensor:
    return tf.reduce_prod(boxes[..., 2:] - boxes[..., :2], -1)


@tf.function(jit_compile=True)
def sampled(photos: tf.Tensor, origins: tf.Tensor) -> tf.Tensor:
    """uint8; bilinear, black outside the photo."""
    n, height, width = tf.unstack(tf.shape(photos)[:3])
    framed = tf.reshape(tf.pad(photos, [[0, 0], [1, 1], [1, 1], [0, 0]]), [-1, 3])
    x, y = (tf.clip_by_value(origins[:, k] + 1, 0.0, tf.cast(side, tf.float32) + 0.999) for k, side in enumerate((width, height)))
    left, top = tf.floor(x), tf.floor(y)
    right_share, low_share = (x - left)[..., None], (y - top)[..., None]
    first = (tf.range(n)[:, None, None] * (height + 2) + tf.cast(top, tf.int32)) * (width + 2) + tf.cast(left, tf.int32)
    a, b, c, d = (tf.cast(tf.gather(framed, first + step), tf.float32) for step in (0, 1, width + 2, width + 3))
    upper, lower = a + (b - a) * right_share, c + (d - c) * right_share
    return to_uint8(upper + (lower - upper) * low_share)
