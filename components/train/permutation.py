"""Random orders that are computed, not stored: position -> element of a shuffled range, in constant memory."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

ROUNDS = 48


def permute(positions: ArrayLike, sizes: ArrayLike, keys: Sequence[ArrayLike]) -> NDArray[np.int64]:
    """What stands at `positions` when `range(size)` is shuffled by `keys`.

    The swap-or-not shuffle (Hoang, Morris and Rogaway, 2012, arXiv:1208.1176): each round pairs every element with one other, and a
    hash of the pair decides whether the two change places.

    Args:
        positions: integers, each from 0 to below its size, `(n,)`.
        sizes: 1 or more, `(n,)`.
        keys: non-negative integers, each a scalar or `(n,)`; another key is another order.

    Returns:
        int64 `(n,)`, each from 0 to below its size; over all positions of a size and key, each number once.
    """
    sizes = np.asarray(sizes, np.uint64)
    values = np.array(positions, np.uint64)
    key = np.zeros(values.shape, np.uint64)
    for part in keys:
        key = _mix(key ^ np.asarray(part, np.uint64))
    for _ in range(ROUNDS):
        key = _mix(key)
        partners = (key % sizes + sizes - values) % sizes
        swapped = _mix(key ^ np.maximum(values, partners)) & np.uint64(1)
        values = np.where(swapped, partners, values)
    return values.astype(np.int64)


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """One step of SplitMix64 (Steele, Lea and Flood, 2014): every bit depends on every bit."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ x >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ x >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return x ^ x >> np.uint64(31)
