"""How often photos are recognised by their nearest neighbours, with 95% intervals.

Accuracies are shares of photos. Intervals are Wilson's (1927) for as many photos as there are to recognise, so they say how far
the figure may be from that of more photos of these classes; of other classes they say nothing.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from components.common.errors import UserError
from components.train.neighbours.search import Embeddings, Numbers, enrol, nearest, vote

NEIGHBOURS = 5
ENROLLED = 5
ENROLMENTS = 100


@dataclass(frozen=True)
class Known:
    """Where photos of classes trained on are looked up: numbers of the train photos and of the test photos."""

    gallery: Numbers
    queries: Numbers

    def measure(self, embeddings: Embeddings, labels: Numbers) -> dict[str, dict[str, float]]:
        """Accuracies of the nearest train photo's class, and of the vote of the nearest five."""
        found, _ = nearest(embeddings[self.queries], embeddings[self.gallery], min(NEIGHBOURS, len(self.gallery)))
        classes, truth = labels[self.gallery][found], labels[self.queries]
        return {"known_1nn": _share(classes[:, 0] == truth), f"known_{NEIGHBOURS}nn": _share(vote(classes) == truth)}


@dataclass(frozen=True)
class Unseen:
    """Photos of the classes never trained on: their numbers."""

    photos: Numbers

    def measure(self, embeddings: Embeddings, labels: Numbers, seed: int) -> dict[str, dict[str, float]]:
        """Accuracy among these classes when five photos of each are enrolled and the rest recognised, and Recall@1.

        The first is the mean over 100 random enrolments, `std` their standard deviation. Recall@1 is the share of photos whose
        nearest other photo is of their class.
        """
        embeddings, labels = embeddings[self.photos], labels[self.photos]
        rng, shares = np.random.default_rng(seed), []
        for _ in range(ENROLMENTS):
            enrolled, rest = enrol(labels, ENROLLED, rng)
            found, _ = nearest(embeddings[rest], embeddings[enrolled], 1)
            shares.append(np.mean(labels[enrolled][found[:, 0]] == labels[rest]))
        found, _ = nearest(embeddings, embeddings, 1, skip_itself=True)
        accuracy = _interval(float(np.mean(shares)), len(rest)) | {"std": float(np.std(shares, ddof=1))}
        return {"unseen_1nn": accuracy, "unseen_recall_at_1": _share(labels[found[:, 0]] == labels)}


def known(labels: Numbers, splits: NDArray[np.str_], trained: int) -> Known | None:
    """Of photos with these labels and splits, `(n,)`, those of the first `trained` classes; None without test photos."""
    ours = labels < trained
    gallery, queries = np.flatnonzero(ours & (splits == "train")), np.flatnonzero(ours & (splits == "test"))
    return Known(gallery, queries) if len(queries) else None


def unseen(labels: Numbers, classes: list[str], trained: int) -> Unseen | None:
    """The photos of the other classes, from every split; None where there are fewer than two such classes.

    Raises:
        UserError: one of them has too few photos.
    """
    if len(classes) - trained < 2:
        return None
    for label in range(trained, len(classes)):
        if (count := np.count_nonzero(labels == label)) <= ENROLLED:
            raise UserError(
                f"records: expected more than {ENROLLED} photos of the held-out class {classes[label]!r}, found {count}"
            )
    return Unseen(np.flatnonzero(labels >= trained))


def _share(right: NDArray[np.bool_]) -> dict[str, float]:
    return _interval(float(right.mean()), len(right))


def _interval(share: float, photos: int) -> dict[str, float]:
    low, high = binomtest(round(share * photos), photos).proportion_ci(method="wilson")
    return {"value": share, "low": float(low), "high": float(high)}
