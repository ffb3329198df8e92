"""The training loop: epochs of steps, validation, the best weights kept; goes on from its checkpoint where there is one."""

import contextlib
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
from rich.console import Console

from components.common.errors import UserError
from components.common.records import Records
from components.train import features
from components.train.checkpoint import Checkpoint
from components.train.config import TrainConfig
from components.train.distribution import Group
from components.train.history import History, Watch
from components.train.preemption import EXIT_STATUS, Preemption, noticed
from components.train.reader import Batch, Reader
from components.train.tracking import Tracking
from components.train.training import Training

OnEpoch = Callable[[int, dict[str, float]], None]


def fit(
    network: keras.Model,
    records: Records,
    config: TrainConfig,
    output: Path,
    *,
    group: Group,
    checkpoint: Checkpoint | None = None,
    checkpoint_every_s: float = 60.0,
    on_epoch: OnEpoch | None = None,
) -> None:
    """Trains `network` and leaves it as it was at its epoch of lowest validation loss.

    The chief of `group` writes `history.csv`, `tensorboard/`, and `skipped.txt` where damaged records were skipped, into `output`.

    Args:
        network: what `models.build` built.
        records: their train and validation splits are read.
        config: the settings.
        output: a folder.
        group: the processes that train together; each calls this.
        checkpoint: where the run's state is kept: after every epoch, every `checkpoint_every_s`, and when SIGTERM comes.
        on_epoch: called after each epoch, counted from 1, with its row of the history; what it raises ends the run.

    Raises:
        UserError: the loss became NaN or infinite, a record or the checkpoint is damaged.
        SystemExit: SIGTERM came and the state was saved; its code is `preemption.EXIT_STATUS`.
    """
    steps = max(1, math.ceil(sum(records.counts["train"]) / config.batch))
    if config.accumulate > config.epochs * steps:
        raise UserError(f"accumulate: expected at most the run's {config.epochs * steps} steps, received {config.accumulate}")
    training = Training(network, config, steps, group)
    kept = _restore(training, checkpoint) if checkpoint else {}
    if len(set(begun := group.gather(training.step))) > 1:
        raise UserError(f"checkpoints: expected one folder for all {group.size} processes, found them at the steps {begun}")
    history = History(output / "history.csv", config.batch * steps, **kept.get("history", {}))
    with (
        noticed() if checkpoint else contextlib.nullcontext(Preemption()) as preemption,
        Reader(records, config, (group.rank, group.size)) as reader,
        Tracking(output, config, history.rows, kept.get("tracking", {}), services=group.chief) as tracking,
        Watch(config.epochs, steps, config.batch, None if group.chief else Console(quiet=True)) as watch,
        tempfile.TemporaryDirectory() as scratch,
    ):
        reader.skipped.update(kept.get("skipped", []))
        source = _Source(network, reader, config, steps, Path(scratch))
        validation, plain = reader.validation("validation"), reader.training(plain_from=0)
        saves, saved_at = checkpoint if group.chief else None, time.monotonic()
        while not training.ended:
            training.begin()
            batches = source.batches(training.step)
            while training.step < (training.epoch + 1) * steps:
                logs = training.advance(batches)
                watch.step(training.step, logs)
                preempted = any(group.gather(preemption.requested))
                if saves and (preempted or time.monotonic() - saved_at > checkpoint_every_s):
                    _save(training, history, tracking, reader, saves)
                    saved_at = time.monotonic()
                if preempted:
                    _say(f"SIGTERM: stopped after step {training.step}, saved in {checkpoint}; run again to go on")
                    raise SystemExit(EXIT_STATUS)
            row = history.add(training.end_epoch(validation, plain))
            watch.epoch(row)
            tracking.epoch(row)
            if on_epoch:
                on_epoch(training.epoch, row)
            if saves:
                _save(training, history, tracking, reader, saves)
                saved_at = time.monotonic()
    training.finish()
    if reader.skipped and group.chief:
        (output / "skipped.txt").write_text("".join(f"{line}\n" for line in sorted(reader.skipped)), "utf-8")
        _say(f"{len(reader.skipped)} damaged records were skipped, see skipped.txt")
    elif reader.skipped:
        _say("".join(f"skipped by worker {group.rank}: {line}\n" for line in sorted(reader.skipped)))


class _Source:
    """Batches from any step on: photos, or in the head's warm-up, where photos come plain, the backbone's features of them."""

    def __init__(self, network: keras.Model, reader: Reader, config: TrainConfig, steps_per_epoch: int, scratch: Path):
        self._network, self._reader, self._config, self._scratch = network, reader, config, scratch
        self._warm_up = config.frozen_epochs * steps_per_epoch if features.cacheable(config) else 0
        self._plain_from = round(config.epochs * steps_per_epoch * (1 - config.plain_tail))
        self._of_features: Iterator[Batch] | None = None
        self._of_photos: Iterator[Batch] | None = None

    def batches(self, step: int) -> Iterator[Batch]:
        """From step `step` on; to be asked anew at each epoch's begin."""
        if step < self._warm_up:
            if self._of_features is None:
                trunk, _ = features.split(self._network)
                self._of_features = iter(features.batches(self._reader, trunk, self._scratch, step))
            return self._of_features
        if self._of_photos is None:
            self._of_photos = iter(self._reader.training(step, self._plain_from))
        return self._of_photos


def _restore(training: Training, checkpoint: Checkpoint) -> dict[str, Any]:
    saved = checkpoint.load()
    if not saved:
        return {}
    arrays, state = saved
    try:
        training.restore(arrays, state["training"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{checkpoint}: expected the state of this training, found another ({str(error)[:100]}); delete it to start anew"
        ) from None
    _say(f"going on after step {training.step}, from {checkpoint}")
    return state


def _save(training: Training, history: History, tracking: Tracking, reader: Reader, checkpoint: Checkpoint) -> None:
    arrays, state = training.save()
    others = {"history": history.state, "tracking": tracking.ids, "skipped": sorted(reader.skipped)}
    checkpoint.save(arrays, {"training": state, **others})


def _say(line: str) -> None:
    Console(stderr=True, highlight=False, soft_wrap=True).print(line)
