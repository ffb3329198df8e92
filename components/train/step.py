"""The train step: records -> `model.keras`, `config.json`, `history.csv`."""

import dataclasses
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import keras
import tensorflow as tf

from components.common.errors import UserError
from components.common.records import open_records
from components.common.storage import fetch
from components.common.whole import whole_folder
from components.train.config import TrainConfig
from components.train.fit import fit
from components.train.models import build

MAX_WEIGHTS_BYTES = 2 * 2**30


def run(records: Sequence[Path], output: Path, config: TrainConfig, *, checkpoints: str = "") -> None:
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
    keras.utils.set_random_seed(config.seed)
    with tempfile.TemporaryDirectory() as scratch:
        weights = config.weights
        if weights not in ("imagenet", "none"):
            weights = str(fetch(weights, Path(scratch), max_bytes=MAX_WEIGHTS_BYTES))
        model = build(
            config.backbone,
            len(opened.classes),
            config.image_px,
            weights=weights,
            dropout=config.dropout,
            mean_box=opened.mean_train_box,
        )
    if config.augment == "auto":
        in_graph = config.randaugment or tf.config.list_physical_devices("GPU")
        config = dataclasses.replace(config, augment="graph" if in_graph else "imgaug")
    settings = {**dataclasses.asdict(config), "classes": opened.classes}
    with whole_folder(output) as folder:
        fit(model, opened, config, folder)
        model.save(folder / "model.keras", include_optimizer=False)
        (folder / "config.json").write_text(json.dumps(settings, indent=1, ensure_ascii=False), "utf-8")
