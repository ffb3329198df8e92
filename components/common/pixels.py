"""JPEG bytes -> a resized photo: the one path that training, export and evaluation share, so that they see the same pixels.

The whole photo is squeezed to a square of `image_px` (bilinear, aspect ratio not kept), so relative boxes need no change.
"""

import tensorflow as tf


def decode(jpeg: tf.Tensor) -> tf.Tensor:
    """One JPEG (or PNG), scalar string -> uint8 `(height, width, 3)` RGB."""
    return tf.io.decode_jpeg(jpeg, channels=3, dct_method="INTEGER_ACCURATE")


def resize(photo: tf.Tensor, image_px: int) -> tf.Tensor:
    """`(height, width, 3)` -> uint8 `(image_px, image_px, 3)`."""
    resized = tf.image.resize(photo, [image_px, image_px])
    return tf.cast(tf.round(resized), tf.uint8)


def load(jpeg: tf.Tensor, image_px: int) -> tf.Tensor:
    """One JPEG, scalar string -> uint8 `(image_px, image_px, 3)` RGB."""
    return resize(decode(jpeg), image_px)
