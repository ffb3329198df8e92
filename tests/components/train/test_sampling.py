"""Balanced sampling: the shares of classes, every photo once before any twice, the same sequence from wherever it is read."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from components.common.errors import UserError
from components.train.sampling import Sampler, trained_classes

TEMPERATURES = (math.inf, 3.0, 1.0)

counts = st.lists(st.integers(0, 9), min_size=1, max_size=6).filter(any)
temperatures = st.sampled_from(TEMPERATURES)
groups = st.integers(1, 4)


@given(counts, st.integers(0, 99), st.integers(1, 200), groups)
def test_uniform_shares_of_classes_differ_by_at_most_a_group(counts: list[int], seed: int, draws: int, group: int) -> None:
    labels, _ = Sampler(counts, seed, group=group).draws(0, draws)
    shares = [np.count_nonzero(labels == label) for label, count in enumerate(counts) if count]
    assert max(shares) - min(shares) <= group
    assert sum(shares) == draws


@given(counts, st.integers(0, 99), st.integers(1, 200), temperatures, groups)
def test_within_a_class_every_photo_once_before_any_twice(
    counts: list[int], seed: int, draws: int, temperature: float, group: int
) -> None:
    labels, members = Sampler(counts, seed, temperature, group).draws(0, draws)
    for label, count in enumerate(counts):
        drawn = members[labels == label]
        for begin in range(0, len(drawn), max(1, count)):
            one_pass = drawn[begin : begin + count]
            assert len(set(one_pass)) == len(one_pass)
            assert set(one_pass) <= set(range(count))


@given(counts, st.integers(0, 99), st.integers(0, 150), st.integers(1, 50), temperatures, groups)
def test_sampling_can_start_anywhere(counts: list[int], seed: int, start: int, draws: int, temperature: float, group: int) -> None:
    whole = Sampler(counts, seed, temperature, group).draws(0, start + draws)
    for part, of_whole in zip(Sampler(counts, seed, temperature, group).draws(start, draws), whole, strict=True):
        np.testing.assert_array_equal(part, of_whole[start:])


@given(counts, st.integers(0, 99), temperatures, groups)
def test_a_group_is_of_one_class_and_classes_come_as_without_groups(
    counts: list[int], seed: int, temperature: float, group: int
) -> None:
    labels, _ = Sampler(counts, seed, temperature, group).draws(0, 60 * group)
    single, _ = Sampler(counts, seed, temperature).draws(0, 60)
    np.testing.assert_array_equal(labels.reshape(60, group), np.stack([single] * group, axis=-1))


def test_a_group_holds_different_photos_where_the_class_is_full_of_groups() -> None:
    _, members = Sampler([8, 12], 0, group=4).draws(0, 400)
    assert all(len(set(group)) == 4 for group in members.reshape(-1, 4))


def test_the_sequence_of_single_draws_stays_as_it_is() -> None:
    """Checkpoints hold a position in it."""
    labels, members = Sampler([3, 5, 2], 7).draws(0, 16)
    assert labels.tolist() == [0, 2, 1, 0, 2, 1, 2, 1, 0, 0, 1, 2, 2, 1, 0, 1]
    assert members.tolist() == [0, 1, 3, 2, 0, 0, 0, 1, 1, 0, 4, 1, 1, 2, 1, 1]


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_ten_thousand_batches_of_32(temperature: float) -> None:
    """The proof: 196 classes as unequal as Stanford Cars'."""
    counts = np.random.default_rng(0).integers(24, 69, 196)
    labels, members = Sampler(counts, 1, temperature).draws(0, 320_000)
    expected = counts ** (1 / temperature)
    shares = np.bincount(labels, minlength=196)
    assert stats.chisquare(shares, expected * (shares.sum() / expected.sum())).pvalue > 0.05
    if temperature == math.inf:
        assert stats.chisquare(np.bincount(np.repeat(np.arange(196), counts))).pvalue < 1e-6, "before, the classes are not equal"
    for label, count in enumerate(counts):
        times = np.bincount(members[labels == label], minlength=count)
        assert np.ptp(times) <= 1


@pytest.mark.slow
def test_every_order_of_a_class_is_equally_likely() -> None:
    _, members = Sampler([4], 0).draws(0, 24_000 * 4)
    orders = members.reshape(-1, 4) @ [1000, 100, 10, 1]
    _, times = np.unique(orders, return_counts=True)
    assert len(times) == math.factorial(4)
    assert stats.chisquare(times).pvalue > 0.001


def test_classes_come_in_no_fixed_order() -> None:
    labels, _ = Sampler([5] * 10, 0).draws(0, 100_000)
    after = np.zeros((10, 10), int)
    np.add.at(after, (labels[:-1], labels[1:]), 1)
    rest = after[~np.eye(10, dtype=bool)]
    assert rest.min() > 0.9 * rest.mean()
    assert rest.max() < 1.1 * rest.mean()


def test_seeds_differ() -> None:
    first, second = (np.stack(Sampler([20, 20], seed).draws(0, 40)) for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_memory_does_not_grow_with_the_data() -> None:
    def peak(per_class: int) -> int:
        tracemalloc.start()
        sampler = Sampler([per_class] * 100, 0)
        for start in range(0, 32_000, 3200):
            sampler.draws(start, 3200)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(10)
    assert peak(1_000_000) <= 1.2 * peak(100)


def test_the_last_classes_are_held_out() -> None:
    assert [trained_classes(8, share) for share in (0, 0.1, 0.375, 0.7)] == [8, 7, 5, 2]
    assert trained_classes(1, 0) == 1
    with pytest.raises(UserError, match="held_out: expected two classes at least that remain to train on, received 0.9 of 8"):
        trained_classes(8, 0.9)
