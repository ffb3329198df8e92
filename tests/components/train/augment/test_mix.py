"""MixUp and CutMix: labels say what is shown, and the kept box belongs to what is mostly shown."""

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from scipy import stats

from components.train.augment import KEPT_SHARE
from components.train.augment.mix import mix

N, SIDE = 200, 40
SETTINGS = [(0.2, 0.0), (0.0, 1.0), (0.4, 1.0)]
Mixed = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]


def flat_batch() -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]:
    """Photo i is filled with i and of a class of its own."""
    photos = np.broadcast_to(np.arange(N, dtype=np.uint8)[:, None, None, None], (N, SIDE, SIDE, 3))
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 0.5, (N, 2))
    boxes = np.concatenate([low, low + rng.uniform(0.2, 0.5, (N, 2))], axis=1).astype(np.float32)
    return photos, boxes, np.eye(N, dtype=np.float32)


def mixed(mixup: float, cutmix: float, seed: int = 0) -> Mixed:
    batch = (tf.constant(values) for values in flat_batch())
    photos, boxes, labels = mix(*batch, tf.constant([seed, 3], tf.int64), mixup, cutmix)
    return photos.numpy(), boxes.numpy(), labels.numpy()


def covered(photos: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return (photos != np.arange(N)[:, None, None, None]).any(axis=-1)


@pytest.mark.parametrize(("mixup", "cutmix"), SETTINGS)
def test_labels_sum_to_one_and_the_kept_photo_dominates(mixup: float, cutmix: float) -> None:
    _, boxes, labels = mixed(mixup, cutmix)
    np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-6)
    assert (np.diag(labels) >= 0.5 - 1e-6).all()
    np.testing.assert_array_equal(boxes, flat_batch()[1])
    assert ((labels > 0).sum(axis=1) <= 2).all()
    assert ((labels > 0).sum(axis=1) == 2).mean() > 0.5


def test_mixup_weighs_pixels_as_it_weighs_labels() -> None:
    photos, _, labels = mixed(0.5, 0.0)
    expected = labels @ np.arange(N)
    np.testing.assert_allclose(photos, np.broadcast_to(expected[:, None, None, None], photos.shape), atol=0.51)


def test_the_shares_follow_the_beta_distribution() -> None:
    shares = np.concatenate([np.diag(mixed(0.5, 0.0, seed)[2]) for seed in range(10)])
    assert stats.kstest(2 * stats.beta(0.5, 0.5).cdf(shares) - 1, "uniform").pvalue > 0.01


def test_cutmix_labels_are_the_shares_of_pixels() -> None:
    photos, _, labels = mixed(0.0, 1.0)
    for photo, label, number in zip(photos, labels, range(N), strict=True):
        values, counts = np.unique(photo[..., 0], return_counts=True)
        np.testing.assert_allclose(label[values], counts / SIDE**2, atol=1e-6)
        assert number in values


def test_cutmix_pastes_one_rectangle_from_the_same_place() -> None:
    rng = np.random.default_rng(1)
    photos, (_, boxes, labels) = rng.integers(0, 256, (N, SIDE, SIDE, 3), dtype=np.uint8), flat_batch()
    result, _, shares = mix(*map(tf.constant, (photos, boxes, labels)), tf.constant([0, 3], tf.int64), 0.0, 1.0)
    pasted = covered(mixed(0.0, 1.0)[0])
    assert pasted.any(axis=(1, 2)).mean() > 0.5
    for number, (photo, share, patch) in enumerate(zip(result.numpy(), shares.numpy(), pasted, strict=True)):
        partner = np.argmax(np.where(np.arange(N) == number, 0, share))
        np.testing.assert_array_equal(photo, np.where(patch[..., None], photos[partner], photos[number]))
        rows, columns = np.nonzero(patch)
        assert patch.sum() == (np.ptp(rows) + 1) * (np.ptp(columns) + 1) if len(rows) else True


def test_cutmix_spares_the_kept_car() -> None:
    _, boxes, _ = flat_batch()
    places = (np.arange(SIDE) + 0.5) / SIDE
    for seed in range(5):
        patches = covered(mixed(0.0, 1.0, seed)[0])
        for (x1, y1, x2, y2), patch in zip(boxes, patches, strict=True):
            inside = ((places >= y1) & (places < y2))[:, None] & ((places >= x1) & (places < x2))
            slack = (inside.sum(axis=0).max() + inside.sum(axis=1).max()) / inside.sum()  # the box ends between pixels
            assert patch[inside].mean() <= 1 - KEPT_SHARE + slack


def test_a_car_that_fills_the_frame_loses_no_more_than_others() -> None:
    photos, _, labels = flat_batch()
    boxes = np.tile(np.float32([0, 0, 1, 1]), (N, 1))
    _, _, labels = mix(*map(tf.constant, (photos, boxes, labels)), tf.constant([0, 0], tf.int64), 0.0, 1.0)
    own = np.diag(labels.numpy())
    assert own.min() >= KEPT_SHARE - 1e-6
    assert (own < 1).mean() > 0.5


def test_both_on_draws_one_of_the_two_for_each_photo() -> None:
    photos, _, labels = mixed(0.4, 1.0)
    cut = np.array([len(np.unique(photo)) == 2 for photo in photos])
    blended = ~cut & (np.diag(labels) < 0.99)
    assert cut.sum() > N / 4
    assert blended.sum() > N / 5


def test_off_changes_nothing() -> None:
    for result, given in zip(mixed(0.0, 0.0), flat_batch(), strict=True):
        np.testing.assert_array_equal(result, given)


def test_the_seed_decides() -> None:
    for first, second in zip(mixed(0.4, 1.0, 1), mixed(0.4, 1.0, 1), strict=True):
        np.testing.assert_array_equal(first, second)
    assert not np.array_equal(mixed(0.4, 1.0, 1)[2], mixed(0.4, 1.0, 2)[2])


@pytest.mark.slow
def test_inside_tf_data_shapes_stay_static_and_a_batch_of_one_is_left_alone() -> None:
    photos, boxes, labels = flat_batch()
    whole = tf.data.Dataset.from_tensor_slices((photos[:9], boxes[:9], labels[:9]))
    fixed = whole.batch(4, drop_remainder=True).map(lambda *batch: mix(*batch, tf.constant([0, 1], tf.int64), 0.4, 1.0))
    assert [spec.shape.as_list() for spec in fixed.element_spec] == [[4, SIDE, SIDE, 3], [4, 4], [4, N]]
    assert len(list(fixed)) == 2
    loose = list(whole.batch(4).map(lambda *batch: mix(*batch, tf.constant([0, 1], tf.int64), 0.4, 1.0)))
    np.testing.assert_array_equal(loose[-1][0], photos[8:9])
    np.testing.assert_allclose(loose[-1][2], labels[8:9], atol=1e-6)
