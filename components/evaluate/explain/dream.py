"""What a layer of the backbone sees in a photo, made stronger in the photo: DeepDream (Mordvintsev et al., 2015, "Inceptionism",
research.google/blog/inceptionism-going-deeper-into-neural-networks).

Gradient ascent on the mean square of the layer's activations, over octaves: first on the photo made small, where the layer's
patterns are large in it, then on larger ones, up to its own size. The photo may be of any size: tiles as large as the network's
photos cover it, from another random place at each step, so that no seam stays; beyond its frame it is mirrored.
"""

import difflib
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.common.errors import UserError
from components.common.progress import track
from components.evaluate.explain.network import Network

OCTAVES = 4
OCTAVE_RATIO = 1.4
STEPS = 20
STEP_SIZE = 1.2
STRIDE = 16
COLOURS = 3

Layer = Callable[[tf.Tensor], tf.Tensor]


def dream_layer(network: Network, name: str = "") -> Layer:
    """The way from photos 0-255 `(n, image_px, image_px, 3)` to what a layer of the backbone makes of them.

    Args:
        network: as train wrote it.
        name: the layer; by default the last whose map is about a 16th of the photo's side, where layers see wheels and lamps. A
            backbone without one gives its features.

    Raises:
        UserError: the backbone has no such layer.
    """
    backbone = network.model.get_layer("backbone")
    # Operations are its layers and what is written as + or * between them.
    outputs = {each.name: each.output for each in backbone.operations}
    if name and name not in outputs:
        near = difflib.get_close_matches(name, outputs, cutoff=0.3) or list(outputs)[-3:]
        raise UserError(f"layer: expected one of the backbone's {len(outputs)}, received {name!r}; such as {', '.join(near)}")
    output = outputs[name] if name else _mid_level(backbone, network.image_px)
    # A nested model's own `input` is inside it; the tensor that it was called with is what every operation has, preprocessed.
    preprocess = keras.Model(network.model.input, keras.Operation.input.fget(backbone))
    inside = keras.Model(backbone.input, output)
    return lambda photos: inside(preprocess(photos, training=False), training=False)


def dream(
    network: Network, photo: NDArray[np.uint8], *, layer: str = "", octaves: int = OCTAVES, steps: int = STEPS, seed: int = 0
) -> NDArray[np.uint8]:
    """The photo with what the layer sees in it.

    Args:
        network: as train wrote it.
        photo: RGB `(height, width, 3)` of any size.
        layer: of the backbone, see `dream_layer`.
        octaves: sizes of the photo, each 1.4 times the one before.
        steps: for each of them.
        seed: of the tiles' places; the same gives the same picture on the same CPU.

    Returns:
        RGB of the photo's shape.

    Raises:
        UserError: the backbone has no such layer.
    """
    gradient = _gradient(dream_layer(network, layer), network.image_px)
    rng = np.random.default_rng(seed)
    dreamt = start = tf.zeros((1, 1, COLOURS))
    for octave in track(range(octaves)[::-1], "dream, octaves"):
        height, width = (max(1, round(side / OCTAVE_RATIO**octave)) for side in photo.shape[:2])
        detail = tf.image.resize(dreamt - start, (height, width), "bicubic")
        start = tf.image.resize(tf.constant(photo, tf.float32), (height, width), antialias=True)
        dreamt = tf.clip_by_value(start + detail, 0, 255)
        for _ in range(steps):
            rows, columns = (_places(side, network.image_px, rng) for side in (height, width))
            # One band of tiles at a time: memory grows with the photo's width, not with its area.
            total = tf.add_n([gradient(dreamt, band, columns) for band in rows.reshape(-1, network.image_px)])
            dreamt = tf.clip_by_value(dreamt + STEP_SIZE * tf.math.divide_no_nan(total, tf.reduce_mean(tf.abs(total))), 0, 255)
    return dreamt.numpy().round().astype(np.uint8)


def _mid_level(backbone: keras.Model, image_px: int) -> keras.KerasTensor:
    seen = [each.output for each in backbone.operations if not isinstance(each, keras.layers.ZeroPadding2D)]
    # A fifth less than a 16th: unpadded convolutions lose a few places. Maps of three colours are the photo, rescaled.
    maps = [each for each in seen if len(each.shape) == 4 and each.shape[-1] > COLOURS]
    wide = [each for each in maps if each.shape[1] >= 0.8 * image_px / STRIDE]
    return wide[-1] if wide else backbone.output


def _gradient(layer: Layer, px: int) -> Callable[..., tf.Tensor]:
    # One graph for pictures and bands of every size.
    @tf.function(input_signature=[tf.TensorSpec((None, None, COLOURS)), *2 * [tf.TensorSpec((None,), tf.int32)]])
    def gradient(picture: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
        """Of a band of tiles, px rows by a multiple of px columns, that repeats the picture's rows and columns of these numbers."""
        with tf.GradientTape() as tape:
            tape.watch(picture)
            band = tf.gather(tf.gather(picture, rows), columns, axis=1)
            tiles = tf.transpose(tf.reshape(band, (px, -1, px, COLOURS)), (1, 0, 2, 3))
            seen = tf.cast(layer(tiles), tf.float32)
            # Not their mean, which makes gradients too small for half precision; the step's size does not depend on it.
            loss = tf.reduce_sum(tf.square(seen))
        return tape.gradient(loss, picture)

    return gradient


def _places(length: int, px: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """The rows (or columns) under tiles of `px`, from a random place on, that cover all `length`, mirrored at its ends."""
    shift = int(rng.integers(px))
    count = -(-(length + shift) // px) * px
    places = (np.arange(count) - shift) % (2 * length)
    return np.where(places < length, places, 2 * length - 1 - places).astype(np.int32)
