"""MixUp and CutMix: photos of a batch mixed with each other, in the graph; the labels say how much of each is shown.

The photo that a mix starts from always keeps the larger share, and its box: a weight below one half is the same mix seen from its
partner, so that it is mirrored. There is no state: everything follows from `seed`.
"""

import numpy as np
import tensorflow as tf
from scipy.special import betaincinv

from components.train.augment import KEPT_SHARE, MAX_DRAWS
from components.train.augment.graph_numbers import uniform_numbers

QUANTILES = 4096
OWN_STREAM = 0x6D6978  # the same seed also draws the augmentation


def mix(
    photos: tf.Tensor, boxes: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor, mixup: float, cutmix: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Mixes every photo of a batch with another one.

    MixUp (Zhang et al. 2018) takes the weighted mean of two photos. CutMix (Yun et al. 2019) replaces a rectangle, which never
    covers more than `1 - KEPT_SHARE` of the box; after `MAX_DRAWS` rectangles that would, the photo stays as it is.

    Args:
        photos: uint8 `(n, height, width, 3)`.
        boxes: float32 `(n, 4)`, relative.
        labels: float32 `(n, classes)`, each row sums to 1.
        seed: int64 `(2,)`; the same seed gives the same result.
        mixup: alpha of the Beta(alpha, alpha) that a photo's weight is drawn from; 0 is off.
        cutmix: the same for the share of the frame that a photo keeps; where both are on, each photo draws one of the two.

    Returns:
        uint8 photos, the boxes of those that keep the larger share, float32 labels; of the same shapes.
    """
    if not mixup and not cutmix:
        return photos, boxes, labels
    n = tf.shape(photos)[0]
    numbers = uniform_numbers([n + 1, 2 + 3 * MAX_DRAWS], tf.random.fold_in(seed, OWN_STREAM))
    distance, numbers = 1 + tf.cast(numbers[n, 0] * tf.cast(n - 1, tf.float32), tf.int32), numbers[:n]
    partner = (tf.range(n) + distance) % n
    patched = numbers[:, 0] < (0.5 if mixup and cutmix else float(cutmix > 0))
    weight = tf.where(patched, 1.0, _larger_share(numbers[:, 1], mixup))
    rectangle = tf.where(patched[:, None], _rectangle(photos, boxes, tf.split(numbers[:, 2:], 3, 1), cutmix), 0)
    mixed, share = _mixed(photos, tf.gather(photos, partner), weight, rectangle)
    labels = share[:, None] * labels + (1 - share[:, None]) * tf.gather(labels, partner)
    return tf.ensure_shape(mixed, photos.shape), boxes, labels


def _larger_share(uniform: tf.Tensor, alpha: float) -> tf.Tensor:
    """Beta(alpha, alpha) above one half, by the inverse of its distribution function; 1 where alpha is 0."""
    if not alpha:
        return tf.ones_like(uniform)
    places = 0.5 + (np.arange(QUANTILES) + 0.5) / QUANTILES / 2
    return tf.gather(tf.constant(betaincinv(alpha, alpha, places), tf.float32), tf.cast(uniform * QUANTILES, tf.int32))


def _rectangle(photos: tf.Tensor, boxes: tf.Tensor, numbers: list[tf.Tensor], alpha: float) -> tf.Tensor:
    """int32 `(n, 4)` in pixels, half-open; `numbers` are `(n, MAX_DRAWS)` for the share and the centre's x and y."""
    frame = tf.cast(tf.shape(photos)[2:0:-1], tf.float32)
    half = tf.sqrt(1 - _larger_share(numbers[0], alpha))[..., None] / 2
    centre = tf.stack(numbers[1:], -1)
    low, high = (tf.round(tf.clip_by_value(corner, 0.0, 1.0) * frame) for corner in (centre - half, centre + half))
    first, last = boxes[:, None, :2] * frame, boxes[:, None, 2:] * frame
    covered = tf.reduce_prod(tf.nn.relu(tf.minimum(high, last) - tf.maximum(low, first)), -1)
    spared = covered <= (1 - KEPT_SHARE) * tf.reduce_prod(last - first, -1)
    drawn = tf.gather(tf.concat([low, high], -1), tf.argmax(tf.cast(spared, tf.int32), axis=1), batch_dims=1)
    return tf.cast(tf.where(tf.reduce_any(spared, 1, keepdims=True), drawn, 0.0), tf.int32)


@tf.function(jit_compile=True)
def _mixed(photos: tf.Tensor, others: tf.Tensor, weight: tf.Tensor, rectangle: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """uint8 photos, and the share of each that is its own."""
    height, width = tf.shape(photos)[1], tf.shape(photos)[2]
    x1, y1, x2, y2 = (side[:, None] for side in tf.unstack(rectangle, axis=1))
    rows, columns = tf.range(height), tf.range(width)
    inside = ((rows >= y1) & (rows < y2))[:, :, None] & ((columns >= x1) & (columns < x2))[:, None]
    shown = tf.where(inside, 0.0, weight[:, None, None])
    own, other = tf.cast(photos, tf.float32), tf.cast(others, tf.float32)
    mixed = other + shown[..., None] * (own - other)
    return tf.cast(tf.round(mixed), tf.uint8), tf.reduce_mean(shown, [1, 2])
