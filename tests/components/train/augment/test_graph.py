"""The policy in the graph: boxes follow, each photo draws for itself, and every family does what its name says."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from components.common import boxes as box_math
from components.train.augment import KEPT_SHARE, graph, graph_effects, seed
from components.train.augment.graph import augment
from components.train.augment.graph_families import AFFINE, FAMILIES, draw_families
from components.train.augment.graph_geometry import geometry

N, SIDE = 250, 96
Photos = NDArray[np.uint8]
Boxes = NDArray[np.float32]


def run(photos: Photos, boxes: Boxes, seed: int = 0, strength: float = 1.0, randaugment: int = 0) -> tuple[Photos, Boxes]:
    moved = augment(tf.constant(photos), tf.constant(boxes), tf.constant([5, seed], tf.int64), strength, randaugment)
    return moved[0].numpy(), moved[1].numpy()


def scenery(n: int = N) -> Photos:
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    return np.tile(np.stack([150 + 80 * x, 150 + 80 * y, 180 + 0 * x], axis=-1).astype(np.uint8), (n, 1, 1, 1))


def with_rectangles(seed: int) -> tuple[Photos, Boxes]:
    """Black rectangles, up to the border, and their boxes."""
    rng = np.random.default_rng(seed)
    low = rng.integers(0, SIDE // 2, (N, 2))
    high = np.minimum(low + rng.integers(SIDE // 4, SIDE * 7 // 10, (N, 2)), SIDE)
    photos = scenery()
    for photo, (x1, y1), (x2, y2) in zip(photos, low, high, strict=True):
        photo[y1:y2, x1:x2] = 0
    return photos, np.concatenate([low, high], axis=1).astype(np.float32) / SIDE


def surviving(with_rectangle: Photos, without: Photos) -> Boxes:
    """The boxes around what the rectangles changed, told from blur and noise by four tenths of the largest change."""
    change = np.abs(with_rectangle.astype(int) - without).max(axis=-1)
    return around(change > 0.4 * change.max(axis=(1, 2), keepdims=True))


def around(seen: NDArray[np.bool_]) -> Boxes:
    """`(n, height, width)` -> the boxes around what is true."""
    sides = []
    for axis in (1, 2):
        line = seen.any(axis=axis)
        sides.append((line.argmax(axis=1), SIDE - line[:, ::-1].argmax(axis=1)))
    return np.stack([sides[0][0], sides[1][0], sides[0][1], sides[1][1]], axis=1).astype(np.float32) / SIDE


@pytest.mark.slow
@pytest.mark.parametrize(("randaugment", "least_median", "least_fifth_percentile"), [(0, 0.93, 0.8), (3, 0.9, 0.65)])
def test_a_box_follows_its_rectangle(randaugment: int, least_median: float, least_fifth_percentile: float) -> None:
    iou, iou_unmoved = [], []
    for number in range(2000 // N):
        photos, boxes = with_rectangles(number)
        drawn, moved = run(photos, boxes, number, randaugment=randaugment)
        found = surviving(drawn, run(scenery(), boxes, number, randaugment=randaugment)[0])
        iou.append(box_math.iou(moved, found))
        iou_unmoved.append(box_math.iou(boxes, found))
    assert np.median(iou) >= least_median
    assert np.percentile(iou, 5) >= least_fifth_percentile
    assert np.median(iou_unmoved) < 0.8


@pytest.mark.slow
def test_a_box_at_the_border_is_never_lost() -> None:
    low = np.random.default_rng(0).choice([0.0, 0.85], (N, 2))
    boxes = np.concatenate([low, low + 0.15], axis=1).astype(np.float32)
    for number in range(4):
        _, moved = run(scenery(), boxes, number)
        assert (moved >= 0).all()
        assert (moved <= 1).all()
        area = (moved[:, 2:] - moved[:, :2]).prod(axis=1) / 0.15**2
        assert (area > KEPT_SHARE * 0.9**2).mean() > 0.95  # the others are squeezed by piecewise affine
        assert area.min() > KEPT_SHARE / 4
        assert area.std() > 0.1


@pytest.mark.slow
def test_nothing_but_mirrors_at_strength_0() -> None:
    photos, boxes = with_rectangles(0)
    photos = np.random.default_rng(0).integers(0, 256, photos.shape, dtype=np.uint8)
    for randaugment in (0, 3):
        drawn, moved = run(photos, boxes, strength=0.0, randaugment=randaugment)
        mirrored = (drawn != photos).any(axis=(1, 2, 3))
        assert 0.4 < mirrored.mean() < 0.6
        np.testing.assert_array_equal(drawn, np.where(mirrored[:, None, None, None], photos[:, :, ::-1], photos))
        flipped = np.stack([1 - boxes[:, 2], boxes[:, 1], 1 - boxes[:, 0], boxes[:, 3]], axis=1)
        np.testing.assert_allclose(moved, np.where(mirrored[:, None], flipped, boxes), atol=1e-5)


def test_strength_scales_the_change() -> None:
    photos, boxes = with_rectangles(0)
    change = [
        np.abs(run(photos, boxes, strength=strength)[1] - run(photos, boxes, strength=0.0)[1]).mean() for strength in (0.3, 1.0)
    ]
    assert 2 < change[1] / change[0] < 5


def test_the_seed_decides_and_each_photo_draws_for_itself() -> None:
    photos, boxes = np.repeat(with_rectangles(0)[0][:1], N, axis=0), np.tile(np.float32([0.2, 0.2, 0.8, 0.8]), (N, 1))
    first, again, other = run(photos, boxes, 1), run(photos, boxes, 1), run(photos, boxes, 2)
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert (first[0] != other[0]).any(axis=(1, 2, 3)).mean() > 0.99
    assert len(np.unique(first[0].reshape(N, -1), axis=0)) == N


def test_a_bent_box_is_around_the_pixels_that_come_from_it() -> None:
    _, boxes = with_rectangles(1)
    drawn = {name: tf.fill([N], float(name in (*AFFINE, "piecewise affine"))) for name in (*FAMILIES, *AFFINE)}
    origins, moved = geometry(tf.constant(scenery()), tf.constant(boxes), numbers(5), drawn, tf.constant(1.0), largest=True)
    x, y = (np.moveaxis(origins.numpy(), 1, 0) + 0.5) / SIDE
    x1, y1, x2, y2 = (side[:, None, None] for side in boxes.T)
    iou = box_math.iou(moved.numpy(), around((x >= x1) & (x < x2) & (y >= y1) & (y < y2)))
    assert np.median(iou) >= 0.96
    assert np.percentile(iou, 5) >= 0.85


@pytest.mark.slow
def test_in_tf_data_shapes_stay_static_and_the_result_is_the_same() -> None:
    photos, boxes = with_rectangles(0)
    seed = tf.constant([5, 0], tf.int64)
    dataset = tf.data.Dataset.from_tensors((photos, boxes)).map(lambda *batch: augment(*batch, seed), num_parallel_calls=2)
    assert [spec.shape.as_list() for spec in dataset.element_spec] == [[N, SIDE, SIDE, 3], [N, 4]]
    for inside, outside in zip(next(iter(dataset)), run(photos, boxes), strict=True):
        np.testing.assert_array_equal(inside, outside)


@pytest.mark.slow
def test_the_result_is_the_same_where_a_training_step_is_compiled_whole() -> None:
    photos, boxes = (tf.constant(values) for values in with_rectangles(0))
    compiled = tf.function(augment, jit_compile=True)(photos, boxes, tf.constant([5, 0], tf.int64))
    expected = run(photos.numpy(), boxes.numpy())
    np.testing.assert_allclose(compiled[0].numpy().astype(int), expected[0].astype(int), atol=1)
    np.testing.assert_allclose(compiled[1], expected[1], atol=1e-5)


@pytest.mark.slow
def test_any_shape_and_a_batch_of_unknown_size() -> None:
    photos = np.random.default_rng(0).integers(0, 256, (3, 45, 61, 3), dtype=np.uint8)
    boxes = np.tile(np.float32([0.2, 0.2, 0.8, 0.8]), (3, 1))
    seed = tf.constant([0, 0], tf.int64)
    dataset = tf.data.Dataset.from_tensor_slices((photos, boxes)).batch(3).map(lambda *batch: augment(*batch, seed, 0.0))
    assert dataset.element_spec[0].shape.as_list() == [None, 45, 61, 3]
    for drawn, photo in zip(next(iter(dataset))[0].numpy(), photos, strict=True):
        assert any(np.array_equal(drawn, side) for side in (photo, photo[:, ::-1]))


def numbers(seed: int) -> tf.Tensor:
    return tf.random.stateless_uniform([N, graph.NUMBERS], [seed, 0])


def drawn_alone(name: str) -> dict[str, tf.Tensor]:
    return {family: tf.fill([N], float(family == name)) for family in (*FAMILIES, *AFFINE)}


def test_as_many_families_as_asked_for() -> None:
    counts = sum(draw_families(numbers(0), 0)[name] for name in FAMILIES).numpy()
    assert set(counts) == {0, 1, 2, 3, 4, 5}
    assert all((draw_families(numbers(0), 0)[name].numpy() == 1).all() for name in AFFINE)
    for randaugment in (1, 7):
        chosen = np.stack(list(draw_families(numbers(1), randaugment).values()))
        assert (chosen.sum(axis=0) == randaugment).all()
        assert (chosen.mean(axis=1) > randaugment / 19 / 3).all()


def changed(name: str, photos: Photos, largest: bool = True) -> NDArray[np.float64]:
    return (
        graph_effects.changed(tf.constant(photos), numbers(2), drawn_alone(name), tf.constant(1.0), largest).numpy().astype(float)
    )


def test_families_of_colour() -> None:
    photos = np.random.default_rng(0).integers(90, 160, (N, SIDE, SIDE, 3), dtype=np.uint8)
    np.testing.assert_array_equal(changed("invert", photos), 255.0 - photos)
    gray = changed("grayscale", photos)
    assert np.ptp(gray, axis=-1).max() <= 1
    np.testing.assert_allclose(gray[..., 0], photos @ np.array([0.299, 0.587, 0.114]), atol=0.51)
    assert set(np.unique(changed("add", photos) - photos)) == {-10, 10}
    ratios = (changed("multiply", photos) / photos).mean(axis=(1, 2))
    assert np.isclose(ratios, 0.5, atol=0.01).any()
    assert np.isclose(ratios, 1.5, atol=0.01).any()
    spread = (changed("contrast", photos, largest=False).std(axis=(1, 2)) / photos.std(axis=(1, 2))).ravel()
    assert 0.39 < spread.min() < 0.5
    assert 1.5 < spread.max() < 1.61
    assert np.isclose(spread.reshape(N, 3), spread.reshape(N, 3)[:, :1], atol=0.01).all(axis=1).mean() < 0.1, "each channel its own"


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES[:13])
def test_each_effect_is_as_frequent_and_strong_as_in_seed(family: str, scenes: Callable[[int, int, int], Photos]) -> None:
    photos, drawn, strength = scenes(N, SIDE, SIDE), drawn_alone(family), tf.constant(1.0)
    half, share = graph_effects.half_blurred(tf.constant(photos), numbers(3), drawn, strength, False)
    smoothed = graph_effects.replaced(
        *graph_effects.block_means(tf.constant(photos), graph_effects.doubled(half), share, numbers(3), drawn, strength, False)
    )
    own = graph_effects.changed(smoothed, numbers(2), drawn, strength, False).numpy()
    effects = seed.effects(1.0)
    published = effects[FAMILIES.index(family) + (family == "contrast")]
    published.seed_(0)
    count = 80 if family == "superpixels" else N
    changes = [
        np.abs(each.astype(int) - photos[: len(each)]).mean(axis=(1, 2, 3))
        for each in (own, np.stack([published(image=photo) for photo in photos[:count]]))
    ]
    odds = [(change > 0).mean() for change in changes]
    means = [change[change > 0].mean() for change in changes]
    assert odds[0] == pytest.approx(odds[1], abs=2.5 * (2 * 0.25 / count) ** 0.5)
    assert 0.7 < means[0] / means[1] < 1.4, means


def test_families_of_single_pixels() -> None:
    flat = np.full((N, SIDE, SIDE, 3), 120, np.uint8)
    noise = changed("noise", flat) - 120
    np.testing.assert_allclose(noise.std(axis=(1, 2)), 0.05 * 255, rtol=0.05)
    assert abs(noise.mean()) < 0.1
    dropped = (changed("dropout", flat, largest=False) == 0).mean(axis=(1, 2)).ravel()
    assert 0.02 < dropped.mean() < 0.15
    assert dropped.max() < 0.5
    assert set(np.unique(changed("dropout", flat))) == {0, 120}


def test_families_of_kernels() -> None:
    photos = scenery()
    photos[:, :, SIDE // 2 :] //= 2
    edge = np.s_[:, 10:-10, SIDE // 2 - 1 : SIDE // 2 + 1]
    flat = np.s_[:, 10:-10, 10 : SIDE // 2 - 10]
    sharp = changed("sharpen", photos, largest=False)
    assert (np.diff(sharp[edge], axis=2) <= np.diff(photos[edge].astype(float), axis=2)).mean() > 0.9
    assert np.abs(sharp[flat] - photos[flat]).mean() < 60
    for name in ("edges", "emboss"):
        result = changed(name, photos, largest=False)
        assert np.abs(result[edge] - photos[edge]).mean() > 2
    blended = changed("blended sharpen", photos, largest=False)[flat] / photos[flat]
    assert 0 <= blended.min() < 0.9 < 1.1 < np.median(blended) <= 1.9


@pytest.mark.slow
def test_blur_and_superpixels() -> None:
    photos = np.random.default_rng(0).integers(0, 256, (N, SIDE, SIDE, 3), dtype=np.uint8)
    strength = tf.constant(1.0)

    def smoothed(name: str) -> tuple[Photos, NDArray[np.float32]]:
        drawn = drawn_alone(name)
        half, share = graph_effects.half_blurred(tf.constant(photos), numbers(3), drawn, strength, True)
        doubled = graph_effects.doubled(half)
        pixels, means = graph_effects.block_means(tf.constant(photos), doubled, share, numbers(3), drawn, strength, True)
        return graph_effects.replaced(pixels, means).numpy(), means.numpy()

    blurred = smoothed("blur")[0].astype(float)
    sigma = 3.0
    expected = photos.std() / (2 * np.sqrt(np.pi) * sigma)  # white noise under a Gaussian
    np.testing.assert_allclose(blurred[:, 8:-8, 8:-8].std(), expected, rtol=0.15)
    np.testing.assert_allclose(blurred.mean(), photos.mean(), atol=0.5)
    flattened, means = smoothed("superpixels")
    blocks = [len(np.unique(each.reshape(-1, 3), axis=0)) for each in means]
    assert 10 <= min(blocks) < 30
    assert 140 < max(blocks) <= 200
    np.testing.assert_allclose(flattened.std() / photos.std(), 1 - graph_effects.BLOCK_SHARE, rtol=0.1)
    np.testing.assert_array_equal(smoothed("noise")[0], photos)


def test_elastic_and_piecewise_affine_move_pixels_within_their_range() -> None:
    photos, boxes = with_rectangles(0)
    for name, least, most in (
        ("elastic", 1, 3.5),
        ("piecewise affine", 4, 0.05 * SIDE * np.sqrt(3)),
    ):
        args = (tf.constant(photos), tf.constant(boxes), numbers(4), drawn_alone(name))
        moved = [geometry(*args, tf.constant(strength), True)[0].numpy() for strength in (1e-3, 1.0)]
        distance = np.abs(moved[1] - moved[0]).max()
        assert least < distance < most + 0.1 * SIDE + 1  # the crop adds up to a tenth
