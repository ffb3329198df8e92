"""Balanced sampling: every class equally likely, and within a class every photo once before any twice.

Draws come in rounds: a round draws each class once, in a random order. So the shares of the classes are exactly equal over a round,
and the k-th draw of a class is that of round k: which record the i-th draw is follows from the seed and i alone, and sampling can
start anywhere.
"""

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


class BalancedSampler:
    """An endless sequence of record numbers.

    Args:
        labels: the class id of each record, shape `(records,)`.
        seed: of the order.
    """

    def __init__(self, labels: NDArray[np.integer], seed: int):
        by_class = np.argsort(labels, kind="stable")
        self._members = np.split(by_class, np.flatnonzero(np.diff(labels[by_class])) + 1)
        self._seed = seed
        self._orders: dict[int, tuple[int, Indices]] = {}

    def draws(self, start: int, count: int) -> Indices:
        """Draws number `start` to `start + count`, as indices into `labels`, shape `(count,)`."""
        classes = len(self._members)
        rounds = {number: self._round(number) for number in range(start // classes, (start + count - 1) // classes + 1)}
        return np.array([self._record(rounds[i // classes][i % classes], i // classes) for i in range(start, start + count)])

    def _round(self, number: int) -> Indices:
        return np.random.default_rng([self._seed, number]).permutation(len(self._members))

    def _record(self, group: int, draw: int) -> int:
        members = self._members[group]
        turn, position = divmod(draw, len(members))
        known = self._orders.get(group)
        if known is None or known[0] != turn:
            known = self._orders[group] = (turn, np.random.default_rng([self._seed, turn, group]).permutation(members))
        return int(known[1][position])
