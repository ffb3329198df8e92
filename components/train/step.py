"""The train step: records -> `model.keras`, `config.json`, `history.csv`."""

import contextlib
import dataclasses
import hashlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

import keras
import tensorflow as tf

from components.common.errors import UserError
from components.common.records import Records, open_records
from components.common.storage import without_secrets
from components.common.whole import whole_folder
from components.train.checkpoint import Checkpoint
from components.train.config import TrainConfig
from components.train.distribution import Group, joined
from components.train.fit import OnEpoch, fit
from components.train.models import build
from components.train.prepare import with_policy, with_weights


def run(
    records: Sequence[Path],
    output: Path,
    config: TrainConfig,
    *,
    checkpoints: str = "",
    checkpoint_every_s: float = 60.0,
    on_epoch: OnEpoch | None = None,
) -> None:
    """Trains and writes the model of the best epoch into `output`.

    Args:
        records: the folders that shard's tasks wrote.
        output: the folder to write; what an earlier attempt left there is replaced.
        config: the settings.
        checkpoints: a folder or gs:// prefix for the run's state while it lasts, from which a run of the same settings and records
            goes on; none where empty.
        checkpoint_every_s: how often, besides each epoch's end and SIGTERM.
        on_epoch: see `fit`.

    Raises:
        UserError: records missing or empty, weights that are not there or do not fit the backbone, a damaged checkpoint.
    """
    with joined(run, records, output, config, checkpoints=checkpoints, checkpoint_every_s=checkpoint_every_s) as group:
        opened = open_records(records)
        for split in ("train", "validation"):
            if not sum(opened.counts[split]):
                raise UserError(f"{records[0]}: expected photos in the {split} split, found none; ingest with more photos a class")
        if config.xla and group.size > 1:
            raise UserError(
                f"xla: expected false where {group.size} processes train together (XLA has no collectives), received true"
            )
        if config.deterministic:
            tf.config.experimental.enable_op_determinism()
        keras.utils.set_random_seed(config.seed)
        if not group.chief:
            group.gather(0)  # until the chief has downloaded the weights, which all on a machine keep in one place
        network = _built(config, opened)
        if group.chief:
            group.gather(0)
        config = dataclasses.replace(with_policy(config), weights=without_secrets(config.weights))
        checkpoint = Checkpoint(checkpoints, _key(opened, config)) if checkpoints else None
        with _folder(output, group) as folder:
            fit(
                network,
                opened,
                config,
                folder,
                group=group,
                checkpoint=checkpoint,
                checkpoint_every_s=checkpoint_every_s,
                on_epoch=on_epoch,
            )
            network.save(folder / "model.keras", include_optimizer=False)
            settings = {**dataclasses.asdict(config), "classes": opened.classes}
            (folder / "config.json").write_text(json.dumps(settings, indent=1, ensure_ascii=False), "utf-8")
        if checkpoint and group.chief:
            checkpoint.delete()


@contextlib.contextmanager
def _folder(output: Path, group: Group) -> Iterator[Path]:
    """Of the processes that train together, the chief keeps what all have trained."""
    if group.chief:
        with whole_folder(output, "config.json") as folder:
            yield folder
    else:
        with tempfile.TemporaryDirectory() as scratch:
            yield Path(scratch)


def _built(config: TrainConfig, records: Records) -> keras.Model:
    with with_weights(config) as ready:
        return build(ready, len(records.classes), mean_box=records.mean_train_box)


def _key(records: Records, config: TrainConfig) -> str:
    """The same for runs that may go on from each other's checkpoint."""
    parts = [dataclasses.asdict(config), records.identity, metadata.version("marque"), keras.__version__]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
