"""The sanity checks on records and settings: a table in the terminal, and a page with a contact sheet."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
from rich.console import Console
from rich.table import Table

from components.common.errors import UserError
from components.common.records import Records
from components.common.whole import whole_file
from components.train.averages import reestimate_batchnorm
from components.train.config import TrainConfig
from components.train.models import build
from components.train.prepare import prepared
from components.train.reader import Batch, Reader
from components.train.sanity import page
from components.train.sanity.checks import L2, Check, gradients_reach_every_layer, initial_loss, l2_raises_the_loss
from components.train.sanity.overfit import Row, no_dropout, overfit, settings, two_classes
from components.train.trainee import Trainee
from components.train.unfreezing import set_trainable

SHOWN = 25


def run(records: Sequence[Path], target: Path, config: TrainConfig) -> list[Check]:
    """Checks what `config` would train on `records`; writes the page `target` and prints a table, whatever comes of it.

    Everything is computed in float32, and with the layers trained that are trained at the run's end.

    Args:
        records: the folders that shard's tasks wrote.
        target: the HTML file to write.
        config: the run's settings.

    Returns:
        The checks, all passed.

    Raises:
        UserError: a check did not pass; or records missing, of a single class, weights that are not there or do not fit.
    """
    with prepared(records, dataclasses.replace(config, precision="float32")) as (opened, ready):
        with Reader(opened, ready) as reader:
            batches = list(reader.training().take(math.ceil(SHOWN / ready.batch)))
            subset = two_classes(opened, reader.counts("train"))
        checks, rows = _check(opened, subset, ready, batches)
    target.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(target) as path:
        path.write_text(page.render(ready, opened, checks, rows, batches), "utf-8")
    _print(checks, target)
    if failed := [check for check in checks if not check.passed]:
        first, others = failed[0], "".join(f"; failed too: {check.name}" for check in failed[1:])
        raise UserError(f"sanity: {first.name}: expected {first.expected}, found {first.found}. {first.hint} See {target}{others}")
    return checks


def _check(records: Records, subset: Records, config: TrainConfig, batches: list[Batch]) -> tuple[list[Check], list[Row]]:
    plain, penalised = _fresh(records, config, l2=0.0), _fresh(records, config, l2=L2)
    if config.weights == "none":
        # without the statistics of such photos in BatchNorm, what a deep network answers in serving grows beyond all bounds
        for trainee in (plain, penalised):
            with no_dropout(trainee.network):
                reestimate_batchnorm(trainee.network, batches)
    checks = [
        initial_loss(plain, config, batches, training=False),
        l2_raises_the_loss(plain, penalised, batches[0]),
        # from here on BatchNorm's statistics move
        initial_loss(plain, config, batches, training=True),
        gradients_reach_every_layer(plain, batches[0]),
    ]
    del plain, penalised
    photos = sum(subset.counts["train"])
    easy = settings(config, photos)
    with Reader(subset, easy) as reader:
        learned, rows = overfit(_fresh(records, easy), reader.training(), photos // easy.batch)
    return checks + learned, rows


def _fresh(records: Records, config: TrainConfig, **others: Any) -> Trainee:
    """Untrained; equal settings give equal weights."""
    keras.utils.set_random_seed(config.seed)
    config = dataclasses.replace(config, **others)
    network = build(config, len(records.classes), mean_box=records.mean_train_box)
    set_trainable(network, config, config.epochs)
    return Trainee(network, config)


def _print(checks: list[Check], page: Path) -> None:
    table = Table("check", "expected", "found", "", box=None, pad_edge=False)
    for check in checks:
        mark = "[green]passed[/]" if check.passed else "[red]failed[/]"
        table.add_row(check.name, check.expected, check.found, mark)
    console = Console(highlight=False)
    console.print(table)
    console.print(str(page), soft_wrap=True)
