"""Balanced sampling: which record is drawn when, as a function of the seed and the draw's number alone.

Draws come in rounds of about as many draws as there are classes. Class c is drawn `rate[c]` times a round on average, and never
more than one draw away from that: its number of draws after r rounds is floor(r * rate[c] + phase[c]). A round's draws come in
random order. Within a class every record is drawn once before any twice, in another random order each time. So sampling can start
at any draw, and nothing is held that grows with the number of records.

For losses that compare photos, draws come in groups of one class; then all of this is said of groups, not of single draws.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.common.errors import UserError
from components.train.permutation import permute

Numbers = NDArray[np.int64]


def trained_classes(classes: int, held_out: float) -> int:
    """Of `classes` classes so many, the first by id, are trained on; the last, about the share `held_out`, never.

    Raises:
        UserError: fewer than two would be left.
    """
    trained = classes - round(held_out * classes)
    if held_out and trained < 2:
        raise UserError(f"held_out: expected two classes at least that remain to train on, received {held_out:g} of {classes}")
    return trained


class Sampler:
    """An endless sequence of records.

    A class of n records is drawn in proportion to n ** (1 / temperature), as in the training of multilingual models (Arivazhagan
    et al., 2019, arXiv:1907.05019): 1 is natural (every record equally likely), infinity uniform (every class equally likely).

    Args:
        counts: records of each class, `(classes,)`; a class without any is never drawn, one class at least has some.
        seed: of the order, 0 or more.
        temperature: 1 or more.
        group: records of the same class that come side by side: draws 0 to `group`, and so on. They are all different, unless
            the class has fewer, or a pass over it ends among them.
    """

    def __init__(self, counts: ArrayLike, seed: int, temperature: float = math.inf, group: int = 1):
        self._counts = np.asarray(counts, np.int64)
        self._present = np.flatnonzero(self._counts)
        self._seed, self._group = seed, group
        weights = (self._counts[self._present] / self._counts.max()) ** (1 / temperature)
        self._rates = weights * (len(weights) / weights.sum())
        self._phases = np.random.default_rng(seed).random(len(weights))

    def draws(self, start: int, count: int) -> tuple[Numbers, Numbers]:
        """Draws number `start` to `start + count`: class ids, and record numbers within the class; int64 `(count,)`."""
        group, before = divmod(start, self._group)
        number = self._round_of(group)
        skipped = group - int(self._until(number).sum())
        missing = skipped + -(-(before + count) // self._group)
        parts: list[tuple[Numbers, Numbers]] = []
        while missing > 0:
            parts.append(self._round(number))
            missing -= len(parts[-1][0])
            number += 1
        classes, turns = (np.concatenate(column)[skipped:] for column in zip(*parts, strict=True))
        within = np.arange(before, before + count)
        labels = self._present[classes[within // self._group]]
        passes, positions = np.divmod(turns[within // self._group] * self._group + within % self._group, self._counts[labels])
        return labels, permute(positions, self._counts[labels], [self._seed, passes, labels])

    def _until(self, number: int) -> Numbers:
        """Groups of each class before round `number`."""
        return np.floor(number * self._rates + self._phases).astype(np.int64)

    def _round_of(self, group: int) -> int:
        number = group // len(self._present)
        while self._until(number).sum() > group:
            number -= 1
        while self._until(number + 1).sum() <= group:
            number += 1
        return number

    def _round(self, number: int) -> tuple[Numbers, Numbers]:
        """The groups of a round: positions in `_present`, and how many of that class came before each."""
        before = self._until(number)
        drawn = self._until(number + 1) - before
        order = np.random.default_rng([self._seed, number])
        classes = order.permutation(np.repeat(np.arange(len(drawn)), drawn))
        turns = np.empty_like(classes)
        turns[np.argsort(classes, kind="stable")] = np.arange(len(classes)) + np.repeat(before + drawn - np.cumsum(drawn), drawn)
        return classes, turns
