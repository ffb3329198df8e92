"""The shard step: dataset -> class-balanced TFRecords, written by several tasks side by side.

Task i of N writes every N-th shard of the plan into its own folder; `components.common.records.open_records` joins the folders.
The shards' bytes depend on the dataset, the seed and `shard_bytes`, never on N.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from components.common import boxes
from components.common.dataset import BOX_COLUMNS, SPLITS, Dataset, open_dataset
from components.common.errors import UserError
from components.common.example import SCHEMA
from components.common.progress import track
from components.common.whole import whole_folder
from components.shard.plan import plan, shard_counts
from components.shard.write import write_shard


def run(
    dataset: Path, output: Path, *, task: int = 0, tasks: int = 1, shard_bytes: int = 64 * 2**20, seed: int = 0
) -> dict[str, Any]:
    """Writes this task's shards and `records.json` into `output`.

    Args:
        dataset: a folder that ingest wrote.
        output: the folder to write; what an earlier attempt left there is replaced.
        task: this task's number, 0-based.
        tasks: how many tasks share the work.
        shard_bytes: photos' bytes in a shard, at most (about).
        seed: of the deal.

    Returns:
        What `records.json` holds.

    Raises:
        UserError: no dataset there, or a number out of range.
    """
    if not 0 <= task < tasks:
        raise UserError(f"task: expected 0 to {tasks - 1} for {tasks} tasks, received {task}")
    if seed < 0:
        raise UserError(f"seed: expected 0 or more, received {seed}")
    if shard_bytes <= 0:
        raise UserError(f"shard_bytes: expected a positive number, received {shard_bytes}")
    opened = open_dataset(dataset)
    counts = shard_counts(opened, shard_bytes)
    mine = plan(opened, counts, seed)[task::tasks]
    info: dict[str, Any] = {
        "schema": SCHEMA,
        "dataset": opened.info["id"],
        "seed": seed,
        "classes": opened.classes,
        "mean_train_box": [round(float(edge), 6) for edge in _mean_train_box(opened)],
        "counts": {split: _class_counts(opened, split) for split in SPLITS},
        "shard_counts": counts,
    }
    with whole_folder(output, "records.json") as folder:
        info["shards"] = {shard.name: write_shard(opened, shard, folder) for shard in track(mine, "shards")}
        (folder / "records.json").write_text(json.dumps(info, indent=1, ensure_ascii=False), "utf-8")
    return info


def _mean_train_box(dataset: Dataset) -> boxes.Boxes:
    train = dataset.split("train")
    relative = boxes.to_relative(train[BOX_COLUMNS].to_numpy(), train["width"], train["height"])
    return relative.mean(axis=0, dtype=np.float64).astype(np.float32)


def _class_counts(dataset: Dataset, split: str) -> list[int]:
    return np.bincount(dataset.split(split)["label"], minlength=len(dataset.classes)).tolist()
