"""Where in a photo the class and the box come from, as maps of the places of the backbone's feature map.

Class: Grad-CAM (Selvaraju et al., 2017, arXiv:1610.02391, eq. 1-2): each channel of the map counts as much as the class's logit
rises with it on average over all places; what is left below zero speaks for other classes and is cut off.

Box: its head takes the flattened map, so that each place has weights of its own, and an average over places would lose just what
matters. So the gradient stays where it is, as in HiResCAM (Draelos & Carin, 2020, arXiv:2011.08891): gradient times activation,
summed over the channels. An edge is pushed either way, so the size counts, and it is summed over the four edges.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import matplotlib as mpl
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from PIL import Image

from components.common.pixels import load
from components.evaluate.explain.network import Network

BATCH = 32
COLOURS = "inferno"
OPACITY = 0.8


@dataclass(frozen=True)
class Heat:
    """Of `n` photos: `classes` and `boxes` float32 `(n, rows, columns)`, 0-1, each map divided by its own maximum; one that has
    nothing above zero is zero everywhere."""

    classes: NDArray[np.float32]
    boxes: NDArray[np.float32]


def heat_maps(network: Network, jpegs: Sequence[bytes], ids: Sequence[int]) -> Heat:
    """Heat of photos for one class each, and for their boxes.

    Args:
        network: as train wrote it.
        jpegs: `n >= 1` photos.
        ids: the class to explain of each, `n`.
    """
    trunk, head = network.split()
    parts = []
    for start in range(0, len(jpegs), BATCH):
        photos = tf.stack([load(jpeg, network.image_px) for jpeg in jpegs[start : start + BATCH]])
        parts.append(_heat(trunk, head, tf.cast(photos, tf.float32), tf.constant(ids[start : start + BATCH], tf.int32)))
    classes, boxes = (np.concatenate(maps) for maps in zip(*parts, strict=True))
    return Heat(classes, boxes)


def overlay(photo: Image.Image, heat: NDArray[np.float32]) -> Image.Image:
    """The photo in grey under its heat: nothing where it is cold, violet to yellow (inferno) where it is warm to hot.

    Args:
        photo: RGB, of any size.
        heat: float32 `(rows, columns)`, 0-1; it covers the whole photo.

    Returns:
        RGB of the photo's size.
    """
    smooth = np.asarray(Image.fromarray(heat).resize(photo.size, Image.Resampling.BICUBIC)).clip(0, 1)
    colours = mpl.colormaps[COLOURS](smooth)[..., :3] * 255
    grey = np.asarray(photo.convert("L"), np.float32)[..., None]
    opacity = OPACITY * smooth[..., None]
    return Image.fromarray((grey * (1 - opacity) + colours * opacity).round().astype(np.uint8))


def _heat(
    trunk: keras.Model, head: keras.Model, photos: tf.Tensor, ids: tf.Tensor
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    features = trunk(photos, training=False)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(features)
        outputs = head(features, training=False)
        logits = tf.gather(outputs["logits"], ids, batch_dims=1)
        edges = tf.unstack(outputs["box"], axis=-1)
    activations = tf.cast(features, tf.float32)
    weights = tf.reduce_mean(tf.cast(tape.gradient(logits, features), tf.float32), axis=(1, 2), keepdims=True)
    classes = tf.nn.relu(tf.reduce_sum(weights * activations, axis=-1))
    pushes = [tf.reduce_sum(tf.cast(tape.gradient(edge, features), tf.float32) * activations, axis=-1) for edge in edges]
    boxes = tf.add_n([tf.abs(push) for push in pushes])
    return _scaled(classes.numpy()), _scaled(boxes.numpy())


def _scaled(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    hottest = maps.max(axis=(1, 2), keepdims=True)
    return np.divide(maps, hottest, out=np.zeros_like(maps), where=hottest > 0)
