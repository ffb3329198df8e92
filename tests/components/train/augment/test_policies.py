"""What every augmentation policy promises, and that the fast one is as strong as the one that it replaces."""

import subprocess
import sys

import cv2
import imgaug as ia
import numpy as np
import pytest

from components.train.augment import KEPT_SHARE, geometry, imgaug, seed

CAR_LIGHT = 100  # brighter than what is behind it, by enough to be seen through most effects
SEEN = 0.4  # of the difference that the car makes to its lightest pixels

FAMILIES = [
    *("superpixels", "blur", "sharpen_or_drop", "sharpen", "emboss", "edges", "noise"),
    *("drop", "invert", "add", "multiply", "grayscale", "contrast", "elastic", "piecewise_affine"),
]
SEED_ORDER = [*FAMILIES[:12], "elastic", "contrast", "piecewise_affine"]


def _batches(augment, photos, boxes, strength=1.0, size=100):
    parts = [augment(photos[i : i + size], boxes[i : i + size], i, strength) for i in range(0, len(photos), size)]
    return tuple(np.concatenate(each) for each in zip(*parts, strict=True))


def _iou(a, b):
    shared = np.prod(np.maximum(0, np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])), -1)
    return shared / (np.prod(a[:, 2:] - a[:, :2], -1) + np.prod(b[:, 2:] - b[:, :2], -1) - shared)


def _visible_boxes(with_car, without):
    """Boxes of the pixels that the car changed, and whether it changed any enough to be seen."""
    change = np.stack([cv2.absdiff(a, b).max(-1) for a, b in zip(with_car, without, strict=True)])
    height, width = change.shape[1:]
    strongest = np.quantile(change.reshape(len(change), -1), 0.99, axis=1)
    seen = change > np.maximum(2, SEEN * strongest)[:, None, None]
    columns, rows = seen.any(1), seen.any(2)
    found = [columns.argmax(1), rows.argmax(1), width - columns[:, ::-1].argmax(1), height - rows[:, ::-1].argmax(1)]
    return np.stack(found, -1) / [width, height, width, height], strongest > 8


@pytest.mark.slow
def test_a_box_follows_its_car(augment, scenes, boxes):
    count, side = 2000, 224
    backgrounds = np.resize(scenes(50, side, side), (count, side, side, 3)) // 8 + 30
    drawn = np.rint(boxes(count, 0.3, 0.8) * side).astype(int)
    cars = backgrounds.copy()
    for photo, (x1, y1, x2, y2) in zip(cars, drawn, strict=True):
        photo[y1:y2, x1:x2] += CAR_LIGHT
    given = (drawn / side).astype(np.float32)
    with_car, moved = _batches(augment, cars, given)
    without, same = _batches(augment, backgrounds, given)
    np.testing.assert_array_equal(moved, same)
    found, visible = _visible_boxes(with_car, without)
    overlap = _iou(moved, found)[visible]
    assert visible.mean() > 0.97
    assert np.median(overlap) >= 0.93
    assert np.quantile(overlap, 0.05) >= 0.8


def _bent_by_imgaug(photos, given):
    size = np.array([photos.shape[2], photos.shape[1]])
    rng, bent = np.random.default_rng(0), np.ones(len(photos), bool)
    matrices, bends, moved = geometry.place(given * np.tile(size, 2), size, bent, 1.0, rng)
    return [geometry.warp(*each, 0, rng) for each in zip(photos, matrices, bends, strict=True)], moved / np.tile(size, 2)


def _bent_by_seed(photos, given):
    size = np.array([photos.shape[2], photos.shape[1]])
    points = [ia.KeypointsOnImage.from_xy_array(each, photos.shape[1:]) for each in geometry.outline(given * np.tile(size, 2))]
    bend = seed.effects(1.0)[SEED_ORDER.index("piecewise_affine")]
    bend.seed_(0)
    augmented, moved = zip(*[bend(image=photo, keypoints=each) for photo, each in zip(photos, points, strict=True)], strict=True)
    return augmented, geometry.upright(np.stack([each.to_xy_array() for each in moved]) / size)


@pytest.mark.parametrize("bend", [_bent_by_imgaug, _bent_by_seed])
@pytest.mark.slow
def test_a_box_follows_a_bend(bend, boxes):
    given = np.rint(boxes(100, 0.5, 0.7) * 128).astype(int)
    given = np.clip(given, 10, 118)
    photos = np.zeros((100, 128, 128, 3), np.uint8)
    for photo, (x1, y1, x2, y2) in zip(photos, given, strict=True):
        photo[y1:y2, x1:x2] = 200
    augmented, moved = bend(photos, given / 128)
    found, _ = _visible_boxes(np.stack(augmented), np.zeros_like(photos))
    overlap = _iou(np.clip(moved, 0, 1), found)
    assert np.median(overlap) > 0.97
    assert overlap.min() > 0.9


@pytest.mark.parametrize(("height", "width"), [(64, 64), (32, 32), (48, 96), (97, 33)])
@pytest.mark.slow
def test_photos_and_boxes_keep_type_shape_and_frame(augment, scenes, boxes, height, width):
    photos, given = scenes(60, height, width), boxes(60, 0.1, 1.0)
    before = photos.copy(), given.copy()
    augmented, moved = augment(photos, given, 5, 1.0)
    np.testing.assert_array_equal(photos, before[0])
    np.testing.assert_array_equal(given, before[1])
    assert (augmented.dtype, augmented.shape) == (np.uint8, photos.shape)
    assert (moved.dtype, moved.shape) == (np.float32, given.shape)
    assert moved.min() >= 0
    assert moved.max() <= 1
    assert (moved[:, 2:] > moved[:, :2]).all()


@pytest.mark.slow
def test_the_seed_decides_the_result(augment, scenes, boxes):
    photos, given = scenes(150, 32, 32), boxes(150, 0.4, 0.8)
    first, again, other = (augment(photos, given, seed, 1.0) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert (first[1] != other[1]).any(1).all()


@pytest.mark.slow
def test_global_random_states_are_neither_read_nor_changed(augment, scenes, boxes):
    photos, given = scenes(150, 32, 32), boxes(150, 0.4, 0.8)
    np.random.seed(1)  # noqa: NPY002
    ia.seed(1)
    before = np.random.get_state()[1].copy(), repr(ia.random.get_global_rng().state)  # noqa: NPY002
    first = augment(photos, given, 3, 1.0)
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])  # noqa: NPY002
    assert repr(ia.random.get_global_rng().state) == before[1]
    np.random.seed(2)  # noqa: NPY002
    ia.seed(2)
    np.testing.assert_array_equal(augment(photos, given, 3, 1.0)[0], first[0])


def test_strength_0_changes_nothing_but_mirrors(augment, scenes, boxes):
    photos, given = scenes(80, 40, 64), boxes(80, 0.2, 0.8)
    augmented, moved = augment(photos, given, 7, 0.0)
    mirrored = (augmented == photos[:, :, ::-1]).all((1, 2, 3))
    assert 20 < mirrored.sum() < 60
    np.testing.assert_array_equal(augmented[~mirrored], photos[~mirrored])
    np.testing.assert_allclose(moved[~mirrored], given[~mirrored], atol=1e-6)
    np.testing.assert_allclose(moved[mirrored], (given * [-1, 1, -1, 1] + [1, 0, 1, 0])[mirrored][:, [2, 1, 0, 3]], atol=1e-6)


@pytest.mark.slow
def test_half_the_strength_changes_less(augment, scenes, boxes):
    photos, given = scenes(80, 64, 64), boxes(80, 0.2, 0.8)
    shifts = []
    for strength in (0.5, 1.0):
        moved = augment(photos, given, 7, strength)[1]
        centres, before = (each[:, 1::2].mean(1) for each in (moved, given))
        shifts.append(np.abs(centres - before).mean())
    assert shifts[0] < 0.7 * shifts[1]


@pytest.mark.slow
def test_enough_of_a_car_in_the_corner_stays(augment, scenes):
    """A box keeps KEPT_SHARE of what scale (.9 a side) and bends leave of its area; without the rule some keep nothing."""
    photos = scenes(100, 32, 32)
    corners = np.tile(np.float32([[0, 0, 0.15, 0.15], [0.85, 0.85, 1, 1]]), (50, 1))
    moved = _batches(augment, photos, corners)[1]
    areas = np.prod(moved[:, 2:] - moved[:, :2], -1) / 0.15**2
    assert (areas >= KEPT_SHARE * 0.9**2).mean() > 0.98
    assert areas.min() > 0.25


@pytest.mark.parametrize("module", [imgaug, seed])
def test_a_photo_without_a_good_draw_keeps_its_geometry(module, scenes, boxes, monkeypatch):
    given = boxes(10, 0.2, 0.8)
    monkeypatch.setattr(geometry if module is imgaug else seed, "KEPT_SHARE", 1.1)
    np.testing.assert_allclose(module.augment(scenes(10, 32, 32), given, 1, 1.0)[1], given, atol=1e-6)


def _fast(family, photo, rng):
    """One effect of the policy `imgaug`, at full strength."""
    if family in FAMILIES[:13]:
        return imgaug.EFFECTS[FAMILIES.index(family)](photo, rng, 1.0)
    active = np.array([rng.random() < 0.5])
    bend = geometry.draw_bends(active & (family == "piecewise_affine"), 1.0, rng)[0]
    return geometry.warp(photo, np.eye(3), bend, active[0] * (family == "elastic") * rng.uniform(0.5, 3.5), rng)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.slow
def test_each_effect_of_imgaug_is_as_frequent_and_strong_as_in_seed(family, scenes):
    count = 200 if family not in ("superpixels", "piecewise_affine") else 80
    photos, rng = scenes(count, 96, 96), np.random.default_rng(0)
    fast = np.stack([_fast(family, photo, rng) for photo in photos])
    slow_one = seed.effects(1.0)[SEED_ORDER.index(family)]
    slow_one.seed_(0)
    slow = np.stack([slow_one(image=photo) for photo in photos])
    changes = [np.abs(each.astype(int) - photos).mean((1, 2, 3)) for each in (fast, slow)]
    odds = [(change > 0).mean() for change in changes]
    strength = [change[change > 0].mean() for change in changes]
    assert odds[0] == pytest.approx(odds[1], abs=2.5 * (2 * 0.25 / count) ** 0.5)
    assert 0.75 < strength[0] / strength[1] < 1.33


def test_every_photo_draws_up_to_five_of_the_effects(boxes, monkeypatch):
    drawn = []
    monkeypatch.setattr(imgaug, "EFFECTS", [lambda photo, *_, k=k: drawn.append(k) or photo for k in range(len(imgaug.EFFECTS))])
    imgaug.augment(np.zeros((1200, 8, 8, 3), np.uint8), boxes(1200, 0.4, 0.8), 1)
    counts = np.bincount(drawn, minlength=13)
    np.testing.assert_allclose(counts, 1200 * 2.5 / 15, rtol=0.3)
    assert counts.sum() == pytest.approx(1200 * 2.5 * 13 / 15, rel=0.08)


@pytest.mark.slow
def test_imgaug_as_a_whole_changes_photos_as_much_as_seed(policies, scenes, boxes):
    photos, given = scenes(600, 96, 96), boxes(600, 0.4, 0.8)
    fast, slow = (_batches(policies[name], photos, given, size=20)[0] for name in ("imgaug", "seed"))
    quantiles = [np.quantile(np.abs(each.astype(int) - photos).mean((1, 2, 3)), [0.1, 0.5, 0.9]) for each in (fast, slow)]
    np.testing.assert_allclose(quantiles[0], quantiles[1], rtol=0.15)


def test_imgaug_starts_without_tensorflow_and_the_library_imgaug():
    code = "import sys, components.train.augment.imgaug; print([n for n in ('tensorflow', 'keras', 'imgaug') if n in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
