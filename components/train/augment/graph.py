"""Flips, crops and light changes of colour on whole batches, in the graph; boxes move along.

A crop shrinks each side by a factor of its own and is always chosen so that at least `KEPT_SIDE` of the box's width and of its
height stays in view: a box is never lost.
"""

import tensorflow as tf

KEPT_SIDE = 0.8


def augment(photos: tf.Tensor, boxes: tf.Tensor, seed: tf.Tensor, crop: float, color: float) -> tuple[tf.Tensor, tf.Tensor]:
    """Augments a batch.

    Args:
        photos: uint8 `(n, height, width, 3)`.
        boxes: float32 `(n, 4)`, relative.
        seed: int64 `(2,)`; the same seed gives the same result.
        crop: the largest share of a side that a crop takes away, 0-1.
        color: strength of the changes of brightness, contrast, saturation and white balance, 0-0.5.

    Returns:
        uint8 photos and float32 boxes of the same shapes.
    """
    n = tf.shape(photos)[0]
    seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 4))
    window = _windows(boxes, n, seeds[0], seeds[1], crop)
    flip = tf.random.stateless_uniform([n, 1], seeds[2]) < 0.5
    x1, y1, x2, y2 = tf.unstack(window, axis=-1)
    corners = tf.where(flip, tf.stack([y1, x2, y2, x1], -1), tf.stack([y1, x1, y2, x2], -1))
    pixels = tf.image.crop_and_resize(photos, corners, tf.range(n), tf.shape(photos)[1:3])
    if color > 0:
        pixels = _recolor(pixels, n, seeds[3], color)
    origin, size = tf.tile(window[:, :2], [1, 2]), tf.tile(window[:, 2:] - window[:, :2], [1, 2])
    moved = tf.clip_by_value((boxes - origin) / size, 0.0, 1.0)
    mirrored = tf.stack([1 - moved[:, 2], moved[:, 1], 1 - moved[:, 0], moved[:, 3]], -1)
    return tf.cast(tf.round(tf.clip_by_value(pixels, 0, 255)), tf.uint8), tf.where(flip, mirrored, moved)


def _windows(boxes: tf.Tensor, n: tf.Tensor, size_seed: tf.Tensor, place_seed: tf.Tensor, crop: float) -> tf.Tensor:
    low, high = boxes[:, :2], boxes[:, 2:]
    lost = (1 - KEPT_SIDE) * (high - low) / 2
    size = tf.maximum(tf.random.stateless_uniform([n, 2], size_seed, 1 - crop, 1.0), high - low - 2 * lost)
    first = tf.maximum(0.0, high - lost - size)
    last = tf.maximum(first, tf.minimum(1 - size, low + lost))
    origin = first + tf.random.stateless_uniform([n, 2], place_seed) * (last - first)
    return tf.concat([origin, origin + size], axis=-1)


def _recolor(pixels: tf.Tensor, n: tf.Tensor, seed: tf.Tensor, strength: float) -> tf.Tensor:
    def factor(number: int, spread: float, channels: int = 1) -> tf.Tensor:
        return tf.random.stateless_uniform([n, 1, 1, channels], seed + number, 1 - spread, 1 + spread)

    pixels = pixels * factor(0, strength)
    mean = tf.reduce_mean(pixels, [1, 2, 3], keepdims=True)
    pixels = mean + (pixels - mean) * factor(1, strength)
    gray = tf.reduce_mean(pixels, -1, keepdims=True)
    pixels = gray + (pixels - gray) * factor(2, 2 * strength)
    return pixels * factor(3, strength / 2, channels=3)
