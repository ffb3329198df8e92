"""Carves a share of the photos, stratified by class and repeatable by seed.

A photo's place depends on its name and the seed alone, not on the order or number of the other photos: adding photos to a
catalogue moves few of the old ones between the splits.
"""

import hashlib
import math
from collections import defaultdict
from collections.abc import Mapping


def carve(labels: Mapping[str, int], share: float, seed: int) -> set[str]:
    """The files to carve out of `labels` (file -> class id).

    Every class gives its share to within one photo and keeps at least one; the total is the share of all photos, rounded, as far
    as that allows.
    """
    files: dict[int, list[str]] = defaultdict(list)
    for file, label in labels.items():
        files[label].append(file)
    quotas = _quotas({label: len(members) for label, members in files.items()}, share)
    carved: set[str] = set()
    for label, members in files.items():
        carved.update(sorted(members, key=lambda file: _rank(file, seed))[: quotas[label]])
    return carved


def _quotas(counts: Mapping[int, int], share: float) -> dict[int, int]:
    """Whole numbers near share * count by largest remainders, at most count - 1; `share` is below 1."""
    quotas = {label: math.floor(count * share) for label, count in counts.items()}
    left = round(sum(counts.values()) * share) - sum(quotas.values())
    by_remainder = sorted(counts, key=lambda label: (-(counts[label] * share % 1), label))
    for label in [label for label in by_remainder if quotas[label] < counts[label] - 1][: max(left, 0)]:
        quotas[label] += 1
    return quotas


def _rank(file: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{file}".encode()).digest()
