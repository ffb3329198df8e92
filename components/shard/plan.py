"""Which photo goes into which shard: the same answer however many tasks share the work.

Shards of a split are alike: their sizes, and their counts of any class, differ by at most one photo. So any few shards are a fair
sample of the data, and reading them in parallel does not favour a class.
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from components.common.dataset import SPLITS, Dataset
from components.common.example import shard_name


@dataclass(frozen=True)
class Shard:
    """One file to write: its split, its name and its photos, in the order of the file."""

    split: str
    name: str
    rows: pd.DataFrame


def shard_counts(dataset: Dataset, shard_bytes: int) -> dict[str, int]:
    """How many shards each split gets, so that none is much over `shard_bytes`; at least one, at most one a photo."""
    sizes = {split: dataset.split(split)["bytes"] for split in SPLITS}
    return {split: max(1, min(len(size), math.ceil(int(size.sum()) / shard_bytes))) for split, size in sizes.items()}


def plan(dataset: Dataset, counts: dict[str, int], seed: int) -> list[Shard]:
    """All shards of all splits, in a fixed order."""
    return [shard for number, split in enumerate(SPLITS) for shard in _plan_split(dataset, split, counts[split], [seed, number])]


def _plan_split(dataset: Dataset, split: str, count: int, seed: list[int]) -> list[Shard]:
    rows = dataset.split(split).sort_values("file")
    random = np.random.default_rng(seed).random(len(rows))
    dealt = rows.iloc[np.lexsort((random, rows["label"]))].assign(order=np.random.default_rng([*seed, 1]).random(len(rows)))
    return [
        Shard(split, shard_name(split, index, count), dealt.iloc[index::count].sort_values("order").drop(columns="order"))
        for index in range(count)
    ]
