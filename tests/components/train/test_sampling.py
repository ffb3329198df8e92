"""Balanced sampling: equal shares, every photo once before any twice, the same sequence from wherever it is read."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from components.train.sampling import BalancedSampler

counts = st.lists(st.integers(1, 9), min_size=1, max_size=6)


def labels_of(counts: list[int], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)) * 3, counts))


@given(counts, st.integers(0, 99), st.integers(1, 200))
def test_shares_of_classes_differ_by_at_most_one(counts: list[int], seed: int, draws: int) -> None:
    labels = labels_of(counts, seed)
    drawn = labels[BalancedSampler(labels, seed).draws(0, draws)]
    shares = [np.count_nonzero(drawn == label) for label in np.unique(labels)]
    assert max(shares) - min(shares) <= 1


@given(counts, st.integers(0, 99), st.integers(1, 200))
def test_within_a_class_every_photo_once_before_any_twice(counts: list[int], seed: int, draws: int) -> None:
    labels = labels_of(counts, seed)
    times = np.bincount(BalancedSampler(labels, seed).draws(0, draws), minlength=len(labels))
    for label in np.unique(labels):
        assert np.ptp(times[labels == label]) <= 1


@given(counts, st.integers(0, 99), st.integers(0, 150), st.integers(1, 50))
def test_sampling_can_start_anywhere(counts: list[int], seed: int, start: int, draws: int) -> None:
    labels = labels_of(counts, seed)
    whole = BalancedSampler(labels, seed).draws(0, start + draws)
    np.testing.assert_array_equal(BalancedSampler(labels, seed).draws(start, draws), whole[start:])


def test_seeds_differ() -> None:
    labels = labels_of([20, 20], 0)
    assert not np.array_equal(BalancedSampler(labels, 0).draws(0, 40), BalancedSampler(labels, 1).draws(0, 40))


def test_passes_over_a_class_differ() -> None:
    order = BalancedSampler(np.zeros(20, int), 0).draws(0, 40)
    assert not np.array_equal(order[:20], order[20:])
