"""Orders of the classes that make a large confusion matrix readable: by name, by make, by what the model takes for each other."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from components.evaluate.class_names import traits

OPTIMAL_CLASSES = 500  # the best order of the leaves takes time cubed
SAME_MAKE = 0.01


def orders(matrix: NDArray[np.int64], classes: Sequence[str]) -> dict[str, list[int]]:
    """Class ids in each order, by the order's name; `matrix` counts photos per (true, predicted)."""
    of_class = [traits(name) for name in classes]
    ids = range(len(classes))
    return {
        "by similarity": _by_similarity(matrix, [each.make for each in of_class]),
        "by make": sorted(ids, key=lambda i: (of_class[i].make, of_class[i].body, classes[i])),
        "by name": sorted(ids, key=lambda i: classes[i]),
    }


def _by_similarity(matrix: NDArray[np.int64], makes: Sequence[str]) -> list[int]:
    """The leaves of average linkage, where classes are near that are taken for each other; else, those of one make."""
    if len(matrix) < 3:
        return list(range(len(matrix)))
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    _, numbers = np.unique(makes, return_inverse=True)
    likeness = (shares + shares.T) / 2 + SAME_MAKE * (numbers[:, None] == numbers)
    distance = 1 - np.minimum(likeness, 1)
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), "average", optimal_ordering=len(matrix) <= OPTIMAL_CLASSES)
    return leaves_list(tree).tolist()
