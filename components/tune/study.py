"""The study that all workers share: an Optuna storage, opened by each, in which finished trials stay for the next run.

A storage holds a study for each question asked of it: its name is a hash of the records, the settings and the space, so a run goes
on from trials that answer the same question and from no others. What counts as done is complete or pruned; a trial that broke off
is failed and does not count.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from components.common.errors import UserError
from components.common.storage import is_remote

DONE = (TrialState.COMPLETE, TrialState.PRUNED)


def study_name(question: Any) -> str:
    """The same for equal plain values."""
    return f"marque-{hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()[:12]}"


def create(address: str, name: str, attributes: dict[str, Any]) -> optuna.Study:
    """The study `name` in the storage at `address`, made if it is not there yet; `attributes` say what it is about.

    Args:
        address: a file on a volume that every worker sees, or the URL of a database (`postgresql://user@host/database`; a password
            belongs into the driver's own place, PGPASSWORD or ~/.pgpass, not into the URL).

    Raises:
        UserError: no such place, no driver for it, or a file that holds something else.
    """
    storage = _storage(address, make=True)
    try:
        study = optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)
    except AssertionError:  # of a journal that cannot be written on after what it holds
        raise UserError(f"study: {shown(address)}: expected an Optuna journal, found something else; choose another file") from None
    for key, value in attributes.items():
        study.set_user_attr(key, value)
    return study


def load(address: str, name: str = "") -> optuna.Study:
    """The study `name`, or the only one, in the storage at `address`.

    Raises:
        UserError: as `create`, no such study, or more than one and no name.
    """
    storage = _storage(address, make=False)
    names = optuna.get_all_study_names(storage)
    if name not in names and (name or len(names) != 1):
        wanted = f"the study {name}" if name else "one study"
        raise UserError(f"study: expected {wanted} in {shown(address)}, found {', '.join(sorted(names)) or 'none'}")
    return optuna.load_study(storage=storage, study_name=name or names[0])


def sample(study: optuna.Study, *, seed: int, worker: int, startup_trials: int, epochs: int) -> None:
    """Sets how this worker draws and prunes.

    Settings are drawn by TPE (Watanabe, arXiv:2304.11127), the first ten trials' at random; trials under way elsewhere count as bad
    ones ("constant liar"), which keeps workers apart. Once `startup_trials` are complete, a trial is pruned that after a fifth of
    the epochs, or any later one, has not yet scored the median of the complete trials at that epoch.
    """
    # a worker that begins again must not draw what it drew before
    drawn = np.random.SeedSequence([seed, worker, len(study.get_trials(deepcopy=False))]).generate_state(1)[0]
    study.sampler = optuna.samplers.TPESampler(seed=int(drawn), constant_liar=True)
    study.pruner = optuna.pruners.MedianPruner(n_startup_trials=startup_trials, n_warmup_steps=max(1, epochs // 5))


def fail_broken_off(study: optuna.Study, worker: int, workers: int) -> None:
    """Fails what earlier runs of this worker left running; no two runs may work on a study at once with the same numbers.

    A killed process leaves its trial running for ever, and a file has no heartbeat. Workers of numbers that are no longer used are
    dealt out among those of today.
    """
    for trial in _running(study):
        if trial.user_attrs["worker"] % workers == worker:
            study.tell(trial.number, state=TrialState.FAIL)


def taken(study: optuna.Study) -> int:
    """Trials done or under way. Two workers that ask at the same moment may start one trial too many, which does no harm."""
    return len(study.get_trials(deepcopy=False, states=DONE)) + len(_running(study))


def shown(address: str) -> str:
    """An address fit for messages: without a password."""
    scheme, separator, rest = address.rpartition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if separator else address


def _running(study: optuna.Study) -> list[FrozenTrial]:
    # one without a worker was created in this very moment, or its worker died in the moment after
    return [t for t in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)) if "worker" in t.user_attrs]


def _storage(address: str, make: bool) -> optuna.storages.BaseStorage:
    if not address or is_remote(address):
        raise UserError(
            "study: expected a file on a volume that every worker sees, or a database's URL (postgresql://…), "
            f"received {shown(address)!r}"
        )
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if "://" in address:
        return _database(address)
    path = Path(address)
    if make:
        path.parent.mkdir(parents=True, exist_ok=True)
    elif not path.is_file():
        raise UserError(f"study: {path}: no such file")
    try:
        return JournalStorage(JournalFileBackend(address))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"study: {path}: expected an Optuna journal, found something else; choose another file") from None


def _database(url: str) -> RDBStorage:
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return RDBStorage(url)
    except ImportError as error:
        raise UserError(f"study: {shown(url)}: {error}; install the database's driver into the image") from None
    except SQLAlchemyError as error:
        raise UserError(f"study: {shown(url)}: expected a database that can be reached: {type(error).__name__}") from None
