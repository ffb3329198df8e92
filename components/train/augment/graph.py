"""The augmentation chain in the TensorFlow graph, on whole batches: the default where a GPU trains.

The same families and strengths as the published chain. Every photo draws its own geometry (mirror, crop, affine, displacement),
which is one bilinear warp, and 0-5 of `FAMILIES`, applied in the order blur, superpixels, 3x3 kernels, colours, noise, dropout:

- blur is Gaussian, for average and median too; superpixels are means over blocks;
- the 3x3 kernels that a photo draws become one: the sum of their changes;
- its colour changes become one affine map of RGB, composed in a random order;
- elastic moves the sample of each pixel on its own; piecewise affine moves a grid of points, and the box follows along its outline.

There is no state: `seed` decides everything.
XLA compiles the work on pixels, on CPU and GPU alike, to a few passes over the photo: once per process and shape, in seconds. The
functions below are compiled one by one because XLA, given them as one, computes again for every pixel what neighbours share.
"""

import tensorflow as tf

from components.train.augment.graph_effects import block_means, changed, doubled, half_blurred, replaced
from components.train.augment.graph_families import Drawn, draw_families
from components.train.augment.graph_geometry import geometry, sampled
from components.train.augment.graph_numbers import uniform_numbers

STAGES = 4
NUMBERS = 160  # random numbers of a photo in a stage, at most


def augment(
    photos: tf.Tensor, boxes: tf.Tensor, seed: tf.Tensor, strength: float = 1.0, randaugment: int = 0
) -> tuple[tf.Tensor, tf.Tensor]:
    """Augments a batch.

    Args:
        photos: uint8 `(n, height, width, 3)`.
        boxes: float32 `(n, 4)`, relative.
        seed: int64 `(2,)`; the same seed gives the same result.
        strength: 0-1, scales every range; 0 changes nothing but mirrors.
        randaugment: 0 for the published chain; else RandAugment (Cubuk et al. 2020): mirror and crop as published, then exactly
            so many different ones of `FAMILIES` and `AFFINE` (at most all 19), each at its largest magnitude times `strength`.

    Returns:
        uint8 photos and float32 boxes of the same shapes.
    """
    numbers = tf.unstack(uniform_numbers([STAGES, tf.shape(photos)[0], NUMBERS], seed))
    drawn = draw_families(numbers[0], randaugment)
    reach, largest = tf.constant(strength, tf.float32), randaugment > 0  # a tensor, so that no strength is compiled anew
    origins, moved = geometry(photos, boxes, numbers[1], drawn, reach, largest)
    pixels = sampled(photos, origins)
    pixels = _smoothed(pixels, numbers[2], drawn, reach, largest)
    pixels = changed(pixels, numbers[3], drawn, reach, largest)
    return tf.ensure_shape(pixels, photos.shape), tf.ensure_shape(moved, boxes.shape)


def _smoothed(pixels: tf.Tensor, numbers: tf.Tensor, drawn: Drawn, reach: tf.Tensor, largest: bool) -> tf.Tensor:
    """Blur and superpixels, the costly ones, on the photos that drew them: less than a third, so that room for half is enough."""
    n = tf.shape(pixels)[0]
    order = tf.argsort(tf.maximum(drawn["blur"], drawn["superpixels"]), direction="DESCENDING", stable=True)
    few = order[: n if largest else n // 2 + 4]
    drawn, numbers, sharp = (
        {name: tf.gather(on, few) for name, on in drawn.items()},
        tf.gather(numbers, few),
        tf.gather(pixels, few),
    )
    blurred, share = half_blurred(sharp, numbers, drawn, reach, largest)
    smoothed = replaced(*block_means(sharp, doubled(blurred), share, numbers, drawn, reach, largest))
    together = tf.concat([smoothed, tf.gather(pixels, order[tf.shape(few)[0] :])], axis=0)
    return tf.gather(together, tf.argsort(order))
