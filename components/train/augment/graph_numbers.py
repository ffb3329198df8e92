"""Random numbers of the `graph` policy: from a seed and a place alone, the same eagerly and compiled."""

import math
from collections.abc import Sequence

import tensorflow as tf


def uniform_numbers(shape: Sequence[int | tf.Tensor], seed: tf.Tensor) -> tf.Tensor:
    """0-1, from the bits: TensorFlow's own floats of a seed are others where an outer function is compiled by XLA."""
    return as_uniform(tf.random.stateless_uniform(shape, seed, None, None, tf.uint32, alg="philox"))


class Draws:
    """Hands out the columns of a table of uniform numbers, a row per photo, each column once."""

    def __init__(self, numbers: tf.Tensor, largest: bool) -> None:
        self.numbers, self.largest, self.used = numbers, largest, 0

    def uniform(self, *shape: int) -> tf.Tensor:
        """0-1."""
        first, self.used = self.used, self.used + math.prod(shape)
        return tf.reshape(self.numbers[:, first : self.used], [tf.shape(self.numbers)[0], *shape])

    def amount(self, *shape: int) -> tf.Tensor:
        """0-1: how much of a range is used; always 1 where every magnitude is the largest."""
        drawn = self.uniform(*shape)
        return tf.ones_like(drawn) if self.largest else drawn

    def signed(self, *shape: int) -> tf.Tensor:
        """-1 to 1; always one of the two where every magnitude is the largest."""
        drawn = 2 * self.uniform(*shape) - 1
        return tf.where(drawn < 0, -1.0, 1.0) if self.largest else drawn

    def coin(self) -> tf.Tensor:
        """0 or 1."""
        return tf.round(self.uniform())

    def half(self) -> tf.Tensor:
        """0 or 1: families that act half of the times they are drawn; always 1 where exactly so many must act."""
        coin = self.coin()
        return tf.ones_like(coin) if self.largest else coin

    def channels(self) -> tf.Tensor:
        """`(n, 3)`, -1 to 1: a value per channel, or half of the time one for all."""
        values = self.signed(3)
        return tf.where(self.uniform(1) < 0.5, values, values[:, :1])

    def salt(self) -> tf.Tensor:
        """uint32 `(n,)`."""
        return tf.cast(tf.cast(self.uniform() * 2**24, tf.int32), tf.uint32) * tf.constant(0x9E3779B9, tf.uint32)


def cells(side: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """uint32 `(n, side)`: which of `count` `(n,)` equal cells each row or column lies in."""
    return tf.cast(tf.range(side) * count[:, None] // side, tf.uint32)


def pixel_cells(n: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return cells(height, tf.fill([n], height)), cells(width, tf.fill([n], width))


def random_bits(salt: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor, per_channel: tf.Tensor, channels: int = 3) -> tf.Tensor:
    """uint32 `(n, height, width, channels)`: equal within a cell, and over channels unless `per_channel` `(n,)` is 1.

    The hash "lowbias32" (Wellons 2018) of salt and place: far cheaper than as many numbers from a counter-based generator.
    """
    channel = tf.cast(tf.cast(tf.range(channels, dtype=tf.float32) * per_channel[:, None], tf.int32), tf.uint32)
    bits = (rows[:, :, None] * 8192 + columns[:, None]) * 4 + salt[:, None, None]
    bits = bits[..., None] + channel[:, None, None]
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        bits = (bits ^ tf.bitwise.right_shift(bits, shift)) * tf.constant(factor, tf.uint32)
    return bits ^ tf.bitwise.right_shift(bits, 16)


def as_uniform(bits: tf.Tensor) -> tf.Tensor:
    """0-1."""
    return tf.cast(tf.cast(tf.bitwise.right_shift(bits, 8), tf.int32), tf.float32) / 2**24
