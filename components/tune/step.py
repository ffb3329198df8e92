"""The tune step: a worker's trials. What all workers' trials came to says `best.py`."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState
from rich.console import Console

from components.common.errors import UserError
from components.common.records import open_records
from components.train.config import TrainConfig
from components.train.places import places
from components.tune import space as spaces
from components.tune.study import create, fail_broken_off, sample, study_name, taken
from components.tune.trial import run_trial


def run(
    records: Sequence[Path],
    study: str,
    train_settings: Mapping[str, Any],
    *,
    space: Mapping[str, Any],
    trials: int,
    trial_epochs: int,
    startup_trials: int,
    worker: int = 0,
    workers: int = 1,
) -> str:
    """Runs trials one after another until the study has `trials` that are complete, pruned or under way; returns the study's name.

    Args:
        records: the folders that shard's tasks wrote.
        study: the storage's address, see `study.create`; workers side by side are given the same.
        train_settings: what a trial does not draw, by names of `TrainConfig`'s fields.
        space: what it draws, see `space.py`; `space.yaml` where empty.
        trials: in the study, earlier runs' included.
        trial_epochs: of each trial, in place of `train_settings`' epochs.
        startup_trials: see `study.sample`.
        worker: this worker's number among `workers`, from 0.
        workers: how many share the study now.

    Raises:
        UserError: records, settings, space or study are not as they should be, or several processes would train together.
    """
    for name, value in (("trials", trials), ("trial_epochs", trial_epochs), ("startup_trials", startup_trials)):
        if value < 1:
            raise UserError(f"{name}: expected 1 or more, received {value}")
    if not 0 <= worker < workers:
        raise UserError(f"worker: expected a number from 0 to {workers - 1}, received {worker}")
    if (processes := len(places()[0])) > 1:
        raise UserError(
            f"tune: expected one process a worker, found {processes} that train together (one a GPU, or as PET_NPROC_PER_NODE "
            "says); set PET_NPROC_PER_NODE=1, give each worker one GPU (CUDA_VISIBLE_DEVICES), and start more workers"
        )
    entries = dict(space) or spaces.load()
    wanted = TrainConfig.of(train_settings)
    base = dataclasses.replace(wanted, epochs=trial_epochs)
    distributions = spaces.parse(entries, base)
    searched = {name: optuna.distributions.distribution_to_json(entry) for name, entry in distributions.items()}
    name = study_name([open_records(records).identity, dataclasses.asdict(base), searched])
    shared = create(study, name, {"train_settings": dataclasses.asdict(wanted), "trial_epochs": trial_epochs})
    fail_broken_off(shared, worker, workers)
    sample(shared, seed=base.seed, worker=worker, startup_trials=startup_trials, epochs=trial_epochs)
    while taken(shared) < trials:
        trial = shared.ask(distributions)
        trial.set_user_attr("worker", worker)
        _say(f"trial {trial.number}: {', '.join(f'{name} {_short(value)}' for name, value in trial.params.items())}")
        try:
            scored = run_trial(trial, records, base)
        except optuna.TrialPruned as pruned:
            shared.tell(trial, state=TrialState.PRUNED)
            _say(f"trial {trial.number}: pruned, {pruned}")
        except BaseException:
            shared.tell(trial, state=TrialState.FAIL)
            raise
        else:
            shared.tell(trial, scored)
            _say(f"trial {trial.number}: score {scored:.3f}")
    return shared.study_name


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _say(line: str) -> None:
    Console(stderr=True, highlight=False, soft_wrap=True).print(line)
