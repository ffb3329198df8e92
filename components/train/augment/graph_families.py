"""The families of the `graph` policy, and which of them a photo draws."""

import tensorflow as tf

from components.train.augment.graph_numbers import Draws

FAMILIES = (
    *("superpixels", "blur", "blended sharpen", "sharpen", "emboss", "edges", "noise", "dropout"),
    *("invert", "add", "multiply", "grayscale", "contrast", "elastic", "piecewise affine"),
)
AFFINE = ("scale", "translate", "rotate", "shear")

Drawn = dict[str, tf.Tensor]


def draw_families(numbers: tf.Tensor, randaugment: int) -> Drawn:
    """0 or 1 `(n,)` per family."""
    draws = Draws(numbers, largest=False)
    names = [*FAMILIES, *AFFINE] if randaugment else list(FAMILIES)
    ranks = tf.argsort(tf.argsort(draws.uniform(len(names))))
    count = randaugment or tf.cast(6 * draws.uniform(1), tf.int32)
    chosen = tf.unstack(tf.cast(ranks < count, tf.float32), axis=1)
    return {name: tf.ones_like(chosen[0]) for name in AFFINE} | dict(zip(names, chosen, strict=True))


def to_uint8(pixels: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.round(tf.clip_by_value(pixels, 0.0, 255.0)), tf.uint8)
