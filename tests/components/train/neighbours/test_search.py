"""Nearest neighbours against scikit-learn, the vote among them, and the choice of photos to enrol."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from components.train.neighbours import search
from components.train.neighbours.search import enrol, nearest, vote

RNG = np.random.default_rng(0)
GALLERY = RNG.normal(size=(50, 8)).astype(np.float32) * RNG.uniform(0.1, 9, (50, 1)).astype(np.float32)
QUERIES = RNG.normal(size=(23, 8)).astype(np.float32)


@pytest.mark.parametrize("entries", [1, 200, 2**24])
def test_neighbours_are_those_of_scikit_learn(entries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "BLOCK_ENTRIES", entries)
    peer = NearestNeighbors(metric="cosine", algorithm="brute").fit(GALLERY)
    distances, expected = peer.kneighbors(QUERIES, 5)
    numbers, similarities = nearest(QUERIES, GALLERY, 5)
    np.testing.assert_array_equal(numbers, expected)
    np.testing.assert_allclose(similarities, 1 - distances, atol=1e-6)
    numbers, _ = nearest(GALLERY, GALLERY, 5, skip_itself=True)
    np.testing.assert_array_equal(numbers, peer.kneighbors(n_neighbors=5, return_distance=False))


def test_a_twin_is_a_neighbour_though_the_photo_itself_is_not() -> None:
    photos = np.array([[1, 0], [0, 1], [1, 0]], np.float32)
    numbers, similarities = nearest(photos, photos, 1, skip_itself=True)
    assert numbers[[0, 2], 0].tolist() == [2, 0]
    assert similarities[:, 0].tolist() == [1, 0, 1]


def test_the_commonest_wins_and_of_equally_common_ones_the_nearest() -> None:
    assert vote(np.array([[3, 1, 2, 1, 0], [3, 1, 1, 3, 2], [4, 0, 1, 2, 3], [7, 7, 7, 7, 7]])).tolist() == [1, 3, 4, 7]


@given(st.lists(st.integers(4, 9), min_size=1, max_size=5), st.integers(1, 3), st.integers(0, 99))
def test_as_many_of_each_class_are_enrolled_and_all_others_remain(counts: list[int], photos: int, seed: int) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)) + 5, counts))
    enrolled, rest = enrol(labels, photos, np.random.default_rng(seed))
    assert np.bincount(labels[enrolled])[5:].tolist() == [photos] * len(counts)
    assert sorted([*enrolled, *rest]) == list(range(len(labels)))


def test_every_photo_is_enrolled_equally_often() -> None:
    rng = np.random.default_rng(0)
    times = np.bincount(np.concatenate([enrol(np.zeros(8, np.int64), 4, rng)[0] for _ in range(2000)]), minlength=8)
    assert times.min() > 900
    assert times.max() < 1100
