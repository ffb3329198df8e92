"""Nearest neighbours by cosine similarity, and classification by them. NumPy alone; exact, a block of queries at a time."""

import numpy as np
from numpy.typing import NDArray

BLOCK_ENTRIES = 2**24

Embeddings = NDArray[np.float32]
Numbers = NDArray[np.int64]


def nearest(queries: Embeddings, gallery: Embeddings, k: int, *, skip_itself: bool = False) -> tuple[Numbers, Embeddings]:
    """The `k` members of the gallery most similar to each query, the most similar first; of equals the earlier first.

    Args:
        queries: `(q, d)`, any length but 0.
        gallery: `(g, d)`, the same, with at least `k` members.
        k: how many.
        skip_itself: query i is member i of the gallery and not a neighbour of itself; `k` is then at most g - 1.

    Returns:
        Their numbers, int64 `(q, k)`, and their cosine similarities, float32 `(q, k)`.
    """
    queries, gallery = _unit(queries), _unit(gallery)
    numbers, similarities = np.empty((len(queries), k), np.int64), np.empty((len(queries), k), np.float32)
    block = max(1, BLOCK_ENTRIES // len(gallery))
    for begin in range(0, len(queries), block):
        rows = slice(begin, begin + block)
        similarity = queries[rows] @ gallery.T
        if skip_itself:
            np.fill_diagonal(similarity[:, begin:], -np.inf)
        numbers[rows] = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
        similarities[rows] = np.take_along_axis(similarity, numbers[rows], axis=1)
    return numbers, similarities


def vote(labels: Numbers) -> Numbers:
    """The commonest label in each row of `(q, k)`, nearest first; of equally common ones that of the nearest. -> `(q,)`."""
    times = (labels[:, :, None] == labels[:, None, :]).sum(axis=2)
    return np.take_along_axis(labels, times.argmax(axis=1)[:, None], axis=1)[:, 0]


def enrol(labels: Numbers, photos: int, rng: np.random.Generator) -> tuple[Numbers, Numbers]:
    """A random choice of `photos` photos of each class, and the others: numbers of both, in ascending order.

    Args:
        labels: class of each photo, `(n,)`; each class has more than `photos`.
        photos: how many of each.
        rng: of the choice.
    """
    chosen = np.sort(
        np.concatenate([rng.choice(np.flatnonzero(labels == label), photos, replace=False) for label in np.unique(labels)])
    )
    return chosen, np.setdiff1d(np.arange(len(labels)), chosen)


def _unit(embeddings: Embeddings) -> Embeddings:
    return embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
