"""The figures: right on embeddings whose answer is known, at chance on noise, and of the photos that they are said to be of."""

import numpy as np
import pytest

from components.common.errors import UserError
from components.train.neighbours.measure import known, unseen

CLASSES = ["a", "b", "c", "d", "e"]
LABELS = np.tile(np.repeat(np.arange(5), 40), 2)
SPLITS = np.repeat(["train", "test"], 200)
NOISE = np.random.default_rng(0).normal(size=(400, 16)).astype(np.float32)
SEPARATED = (np.eye(5, 16)[LABELS] * 20 + NOISE).astype(np.float32)


def measured(embeddings: np.ndarray, splits: np.ndarray = SPLITS) -> dict[str, dict[str, float]]:
    of_known, of_unseen = known(LABELS, splits, 3), unseen(LABELS, CLASSES, 3)
    assert of_known
    assert of_unseen
    return of_known.measure(embeddings, LABELS) | of_unseen.measure(embeddings, LABELS, seed=1)


def test_separated_classes_are_always_recognised() -> None:
    assert {name: figure["value"] for name, figure in measured(SEPARATED).items()} == {
        "known_1nn": 1,
        "known_5nn": 1,
        "unseen_1nn": 1,
        "unseen_recall_at_1": 1,
    }


def test_noise_is_recognised_by_chance() -> None:
    figures = measured(NOISE)
    for name, chance in [("known_1nn", 1 / 3), ("known_5nn", 1 / 3), ("unseen_1nn", 1 / 2), ("unseen_recall_at_1", 1 / 2)]:
        assert figures[name]["low"] < chance < figures[name]["high"]
    assert 0.01 < figures["unseen_1nn"]["std"] < 0.08


def test_intervals_are_wilsons() -> None:
    """Of 120 test photos and of 160 photos never trained on; z = 1.95996."""
    figures = measured(NOISE)
    for name, photos in [("known_1nn", 120), ("unseen_recall_at_1", 160), ("unseen_1nn", 150)]:
        share, z2 = round(figures[name]["value"] * photos) / photos, 1.959964**2
        middle = (share + z2 / 2 / photos) / (1 + z2 / photos)
        half = np.sqrt(share * (1 - share) * z2 / photos + (z2 / 2 / photos) ** 2) / (1 + z2 / photos)
        assert figures[name]["low"] == pytest.approx(middle - half, abs=1e-5)
        assert figures[name]["high"] == pytest.approx(middle + half, abs=1e-5)


def test_known_classes_are_looked_up_among_train_photos_alone() -> None:
    of_known = known(LABELS, SPLITS, 3)
    assert of_known
    assert set(LABELS[of_known.gallery]) == set(LABELS[of_known.queries]) == {0, 1, 2}
    assert set(SPLITS[of_known.gallery]) == {"train"}
    assert set(SPLITS[of_known.queries]) == {"test"}
    assert known(LABELS, np.full(400, "train"), 3) is None


def test_unseen_classes_are_two_at_least_with_more_photos_than_are_enrolled() -> None:
    of_unseen = unseen(LABELS, CLASSES, 3)
    assert of_unseen
    assert set(LABELS[of_unseen.photos]) == {3, 4}
    assert unseen(LABELS, CLASSES, 4) is None
    few = np.concatenate([LABELS[LABELS != 4], [4] * 5])
    with pytest.raises(UserError, match="expected more than 5 photos of the held-out class 'e', found 5"):
        unseen(few, CLASSES, 3)
