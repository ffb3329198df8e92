"""The train step: records -> `model.keras`, `config.json`, `history.csv`."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import keras

from components.common.errors import UserError
from components.common.records import open_records
from components.common.storage import fetch
from components.train.config import TrainConfig
from components.train.fit import fit
from components.train.models import build

MAX_WEIGHTS_BYTES = 2 * 2**30


def run(records: Sequence[Path], output: Path, config: TrainConfig) -> None:
    """Trains and writes the model of the best epoch into `output`.

    Args:
        records: the folders that shard's tasks wrote.
        output: the folder to write; what an earlier attempt left there is replaced.
        config: the settings.

    Raises:
        UserError: records missing or empty, weights that are not there or do not fit the backbone.
    """
    opened = open_records(records)
    for split in ("train", "validation"):
        if not sum(opened.counts[split]):
            raise UserError(f"{records[0]}: expected photos in the {split} split, found none; ingest with more photos a class")
    output.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(config.seed)
    weights = config.weights
    if weights not in ("imagenet", "none"):
        weights = str(fetch(weights, output, max_bytes=MAX_WEIGHTS_BYTES))
    model = build(
        config.backbone,
        len(opened.classes),
        config.image_px,
        weights=weights,
        dropout=config.dropout,
        mean_box=opened.mean_train_box,
    )
    fit(model, opened, config, output)
    partial = output / "partial.keras"
    model.save(partial, include_optimizer=False)
    partial.replace(output / "model.keras")
    (output / "config.json").write_text(
        json.dumps({**dataclasses.asdict(config), "classes": opened.classes}, indent=1, ensure_ascii=False), "utf-8"
    )
