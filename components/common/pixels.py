"""JPEG bytes -> a resized photo: the one path that training, export and evaluation share, so that they see the same pixels.

The whole photo is squeezed to a square of `image_px` (bilinear, aspect ratio not kept), so relative boxes need no change. A JPEG at
least twice as large as that is first scaled down by 2, 4 or 8 inside the decoder, which is faster than decoding every pixel and
averages what bilinear sampling would leave out.
"""

from functools import partial

import tensorflow as tf

DECODER_RATIOS = (1, 2, 4, 8)


def load(jpeg: tf.Tensor, image_px: int) -> tf.Tensor:
    """One JPEG (or PNG), scalar string -> uint8 `(image_px, image_px, 3)` RGB."""
    return load_sized(jpeg, image_px)[0]


def load_sized(jpeg: tf.Tensor, image_px: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The same, and the photo's own size, int32 `(2,)` as (height, width)."""
    decode = partial(tf.io.decode_jpeg, jpeg, channels=3, dct_method="INTEGER_ACCURATE")
    is_jpeg = tf.io.is_jpeg(jpeg)
    size = tf.cond(is_jpeg, lambda: tf.io.extract_jpeg_shape(jpeg)[:2], lambda: tf.shape(decode())[:2])
    usable = tf.logical_and(is_jpeg, tf.reduce_min(size) >= image_px * tf.constant(DECODER_RATIOS[1:]))
    photo = tf.switch_case(
        tf.math.count_nonzero(usable, dtype=tf.int32), [partial(decode, ratio=ratio) for ratio in DECODER_RATIOS]
    )
    resized = tf.image.resize(photo, [image_px, image_px])
    return tf.cast(tf.round(resized), tf.uint8), size
