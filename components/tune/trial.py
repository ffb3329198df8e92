"""One trial: a training with the settings drawn for it, judged after every epoch."""

import dataclasses
import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import optuna

from components.common.errors import UserError
from components.train.config import TrainConfig
from components.train.history import selection_loss
from components.train.step import run as train

DIVERGED = "learning_rate: training diverged"


def score(row: Mapping[str, float]) -> float:
    """Validation's top-1 times its mean IoU, 0-1: about the share of photos whose car is both named and found.

    The product, not the sum: a model that fails at either is worth nothing, and neither head's gain can pay for the other's ruin.
    """
    return row["val_top1"] * row["val_iou"]


def run_trial(trial: optuna.Trial, records: Sequence[Path], base: TrainConfig) -> float:
    """Trains `base` with the trial's settings over its own; returns the score of the epoch whose weights train would keep.

    Raises:
        optuna.TrialPruned: worse than others were, diverged, or of settings that do not go together; the trial's attribute `reason`
            says which.
        UserError: whatever else train cannot do, for which no setting of the trial is to blame.
    """
    rows: list[dict[str, float]] = []

    def judge(epoch: int, row: dict[str, float]) -> None:
        if not math.isfinite(row["val_loss"]):
            raise _pruned(trial, f"the validation loss of epoch {epoch} is no number")
        rows.append(row)
        trial.report(score(row), epoch)
        if epoch < base.epochs and trial.should_prune():
            raise _pruned(trial, f"below the median at epoch {epoch}")

    try:
        config = TrainConfig.of({**dataclasses.asdict(base), **trial.params})
    except UserError as error:
        raise _pruned(trial, str(error)) from None
    try:
        with tempfile.TemporaryDirectory() as scratch:
            train(records, Path(scratch) / "model", config, on_epoch=judge)
    except UserError as error:
        if not str(error).startswith(DIVERGED):
            raise
        raise _pruned(trial, "diverged") from None
    finally:
        keras.utils.clear_session()
        if rows:
            kept = min(rows, key=lambda row: selection_loss(row, config))
            trial.set_user_attr("top1", kept["val_top1"])
            trial.set_user_attr("iou", kept["val_iou"])
    return score(kept)


def _pruned(trial: optuna.Trial, reason: str) -> optuna.TrialPruned:
    trial.set_user_attr("reason", reason)
    return optuna.TrialPruned(reason)
