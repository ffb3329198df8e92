"""The chain of the project that this one re-imagines, built on imgaug, in random order throughout; slow, kept as the yardstick.

What it got wrong is right here: boxes are float32 and move with points along their edges, photos arrive already resized, a box is
clipped, also between steps that each lose what they push out of the frame, and a draw that loses the car is drawn again.
"""

import warnings
from typing import Any

import imgaug as ia
import imgaug.augmenters as iaa
import imgaug.parameters as iap
import numpy as np
from numpy.typing import NDArray

from components.train.augment import KEPT_SHARE, MAX_DRAWS
from components.train.augment.geometry import Array, outline, share, upright


def augment(
    photos: NDArray[np.uint8], boxes: NDArray[np.float32], seed: int, strength: float = 1.0
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Augments a batch; shapes, ranges and guarantees are the package's."""
    n, height, width, _ = photos.shape
    scale = np.array([width, height] * 2)
    flip, crop, affine, effects = children(strength)
    lose = iaa.Lambda(func_keypoints=_lose, seed=0)
    chain = iaa.Sequential([flip, iaa.Sequential([crop, lose]), iaa.Sequential([affine, lose]), effects], random_order=True)
    augmented, moved = photos.copy(), boxes.astype(np.float32)
    left = np.arange(n)
    for draw in np.random.SeedSequence(seed).generate_state(MAX_DRAWS):
        chain.seed_(int(draw))
        drawn, whole, inside = _apply(chain, photos[left], boxes[left] * scale)
        good = share(inside, whole) >= KEPT_SHARE
        augmented[left[good]], moved[left[good]] = drawn[good], inside[good] / scale
        left = left[~good]
        if not left.size:
            break
    return augmented, moved


def children(strength: float) -> list[iaa.Augmenter]:
    """The chain's four parts, to be applied in random order: flip, crop, affine, and 0 to 5 of the effects.

    Args:
        strength: 0-1, scales every range.
    """
    s = strength
    return [
        iaa.Fliplr(0.5),
        iaa.Crop(percent=(0, 0.1 * s)),
        iaa.Affine(
            scale=dict.fromkeys("xy", (1 - 0.1 * s, 1 + 0.1 * s)),
            translate_percent=dict.fromkeys("xy", (-0.1 * s, 0.1 * s)),
            rotate=(-15 * s, 15 * s),
            shear=dict.fromkeys("xy", (-4 * s, 4 * s)),
        ),
        iaa.SomeOf((0, 5), effects(s), random_order=True),
    ]


def effects(strength: float) -> list[iaa.Augmenter]:
    """The fifteen effects, five of them applied at most.

    Args:
        strength: 0-1, scales every range.
    """
    s = strength
    blurs = [
        iaa.GaussianBlur((0, 3 * s)),
        iaa.AverageBlur(k=(round(1 + s), round(1 + 6 * s))),
        iaa.MedianBlur(k=(1 + 2 * round(s), 1 + 2 * round(5 * s))),
    ]
    edges = [iaa.EdgeDetect((0, 0.5 * s)), iaa.DirectedEdgeDetect((0, 0.5 * s), direction=(0.0, 1.0))]
    drops = [
        iaa.Dropout(_kept(0.01 * s, 0.1 * s), per_channel=0.5),
        iaa.CoarseDropout(_kept(0.03 * s, 0.15 * s), size_percent=(0.02, 0.05), per_channel=0.2),
    ]
    return [
        iaa.Sometimes(0.5, iaa.Superpixels(p_replace=(0, s), n_segments=(20, 200))),
        iaa.OneOf(blurs),
        iaa.BlendAlpha((0.2, 0.8), iaa.Sharpen(s, lightness=2), iaa.CoarseDropout(0.1 * s, size_px=8), per_channel=0.5),
        iaa.Sharpen((0, s), lightness=(0.75, 1.5)),
        iaa.Emboss((0, s), strength=(0, 2)),
        iaa.Sometimes(0.5, [iaa.OneOf(edges)]),  # in a list, since seed_() would else pass over OneOf
        iaa.AdditiveGaussianNoise(scale=(0, 0.05 * 255 * s), per_channel=0.5),
        iaa.OneOf(drops),
        iaa.Invert(0.05 * s, per_channel=True),
        iaa.Add((-round(10 * s), round(10 * s)), per_channel=0.5),
        iaa.Multiply((1 - 0.5 * s, 1 + 0.5 * s), per_channel=0.5),
        iaa.Grayscale((0, s)),
        iaa.Sometimes(0.5, iaa.ElasticTransformation(alpha=(0.5 * s, 3.5 * s), sigma=0.25)),
        iaa.LinearContrast((1 - 0.6 * s, 1 + 0.6 * s), per_channel=True),
        iaa.Sometimes(0.5, _PiecewiseAffine(scale=(0.01 * s, 0.05 * s))),
    ]


def _kept(low: float, high: float) -> iap.StochasticParameter:
    """What a dropout of that range keeps; imgaug itself refuses ranges of length 0."""
    return iap.Binomial(iap.Uniform(1 - high, 1 - low))


class _PiecewiseAffine(iaa.PiecewiseAffine):
    """Moves points through the very triangles that move the pixels; imgaug's own way is slow and misses."""

    def _augment_keypoints_by_samples(self, kpsois: list[ia.KeypointsOnImage], samples: Any) -> list[ia.KeypointsOnImage]:
        for i, points in enumerate(kpsois):
            mapping = self._get_transformer(points.shape, points.shape, samples.nb_rows[i], samples.nb_cols[i], samples.jitter[i])
            if mapping is not None:
                points.fill_from_xy_array_(_through_triangles(points.to_xy_array().astype(np.float64), mapping))
        return kpsois

    def _get_transformer(self, *shapes_and_jitter: object) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # imaug 0.4.3 uses what scikit-image 0.26 deprecates
            return super()._get_transformer(*shapes_and_jitter)


def _through_triangles(points: Array, mapping: Any) -> Array:
    """Where points go when each output pixel q shows `mapping(q)`: back through the triangle they fall into, or are nearest to."""
    mesh = mapping._tesselation
    back = np.stack([affine.inverse(points) for affine in mapping.affines])
    weights = np.einsum("tij,tnj->tni", mesh.transform[:, :2], back - mesh.transform[:, 2:])
    depth = np.minimum(weights.min(-1), 1 - weights.sum(-1))
    return back[depth.argmax(0), np.arange(len(points))]


def _lose(batch: list[ia.KeypointsOnImage], *_: object) -> list[ia.KeypointsOnImage]:
    """Draws the second half of the points, which stand for what can still be seen, to the frame."""
    for points in batch:
        height, width = points.shape[:2]
        places = points.to_xy_array()
        half = len(places) // 2
        places[half:] = np.clip(places[half:], 0, [width, height])
        points.fill_from_xy_array_(places)
    return batch


def _apply(chain: iaa.Augmenter, photos: NDArray[np.uint8], boxes: Array) -> tuple[NDArray[np.uint8], Array, Array]:
    """The photos drawn, the boxes they move (in pixels), and the parts of these that can be seen."""
    points = [ia.KeypointsOnImage.from_xy_array(np.concatenate([edge, edge]), photos.shape[1:]) for edge in outline(boxes)]
    drawn, points = chain(images=photos, keypoints=points)
    whole, inside = np.split(np.stack([each.to_xy_array() for each in points]).astype(np.float64), 2, axis=1)
    frame = np.array([photos.shape[2], photos.shape[1]])
    return drawn, upright(whole), upright(np.clip(inside, 0, frame))
