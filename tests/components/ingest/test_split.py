"""Properties of the split."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from components.ingest.split import carve

COUNTS = st.lists(st.integers(1, 40), min_size=1, max_size=12)
SHARE = st.floats(0, 0.95)


def _labels(counts: list[int]) -> dict[str, int]:
    return {f"{label}/{i}.jpg": label for label, count in enumerate(counts) for i in range(count)}


@given(COUNTS, SHARE, st.integers(0, 5))
def test_every_class_gives_its_share_and_keeps_one(counts: list[int], share: float, seed: int) -> None:
    labels = _labels(counts)
    given_away = Counter(labels[file] for file in carve(labels, share, seed))
    for label, count in enumerate(counts):
        assert given_away[label] <= count - 1
        assert abs(given_away[label] - share * count) <= 1 + 1e-9


@given(st.lists(st.integers(2, 40), min_size=1, max_size=12), st.floats(0, 0.5), st.integers(0, 5))
def test_the_total_is_the_share(counts: list[int], share: float, seed: int) -> None:
    labels = _labels(counts)
    assert len(carve(labels, share, seed)) == round(share * len(labels))


@given(COUNTS, SHARE, st.integers(0, 5), st.randoms())
def test_the_order_of_the_photos_does_not_matter(counts: list[int], share: float, seed: int, random: object) -> None:
    labels = _labels(counts)
    shuffled = list(labels)
    random.shuffle(shuffled)
    assert carve({file: labels[file] for file in shuffled}, share, seed) == carve(labels, share, seed)


def test_another_seed_another_split() -> None:
    labels = _labels([40, 40])
    assert carve(labels, 0.2, 0) != carve(labels, 0.2, 1)
    assert carve(labels, 0.2, 0) == carve(labels, 0.2, 0)


def test_a_new_photo_moves_few_others() -> None:
    labels = _labels([40, 40])
    before, after = carve(labels, 0.2, 0), carve({**labels, "new.jpg": 0}, 0.2, 0)
    assert len(before ^ after) <= 2
