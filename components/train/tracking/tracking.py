"""All services that watch a run.

MLflow is asked for by MLFLOW_TRACKING_URI, W&B by WANDB_PROJECT (WANDB_MODE=offline writes files, for `wandb sync` later).
A service that cannot be reached at the start ends the run before it has cost anything; one that goes away later, or is away
when the run is resumed, costs a warning.
"""

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console

from components.common.errors import UserError
from components.train.config import TrainConfig
from components.train.tracking.mlflow import MLflow
from components.train.tracking.tensorboard import TensorBoard
from components.train.tracking.tracker import Row, Tracker
from components.train.tracking.wandb import WeightsAndBiases

Service = Callable[[TrainConfig, str], Tracker]
SERVICES: dict[str, Service] = {"MLFLOW_TRACKING_URI": MLflow, "WANDB_PROJECT": WeightsAndBiases}


class Tracking:
    """A run as all its services know it; a context manager, which tells them whether the run ended well.

    Args:
        folder: for TensorBoard's files, in `tensorboard/`.
        config: the settings.
        rows: the epochs that a resumed run has behind it; whoever does not know them yet is told.
        ids: those that the run had before it was interrupted.
        services: whether to tell any but TensorBoard; of several processes that train together one does.

    Attributes:
        ids: of the services that keep runs apart by one, by the environment variable that asks for them.

    Raises:
        UserError: a service cannot be reached, or its package is missing.
    """

    def __init__(
        self,
        folder: Path,
        config: TrainConfig,
        rows: Sequence[Row] = (),
        ids: Mapping[str, str] | None = None,
        *,
        services: bool = True,
    ):
        self.ids = dict(ids or {})
        self._trackers: dict[str, Tracker] = {"tensorboard": TensorBoard(folder / "tensorboard", config)}
        try:
            for variable in SERVICES:
                if services and os.environ.get(variable):
                    self._start(variable, config)
        except UserError:
            self._close(failed=True)
            raise
        new = [variable for variable in self._trackers if variable not in (ids or {})]
        for row in rows:
            self._tell(new, row)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._close(failed=error is not None)

    def epoch(self, row: Row) -> None:
        """Reports an epoch, a row of `history.csv`."""
        self._tell(self._trackers, row)

    def _tell(self, variables: Iterable[str], row: Row) -> None:
        for variable in variables:
            with _warned(variable, f"epoch {row['epoch']:.0f} is not in its charts, training goes on"):
                self._trackers[variable].epoch(row)

    def _close(self, failed: bool) -> None:
        for variable, tracker in self._trackers.items():
            with _warned(variable, "the run's end was not reported"):
                tracker.close(failed)

    def _start(self, variable: str, config: TrainConfig) -> None:
        try:
            tracker = SERVICES[variable](config, self.ids.get(variable, ""))
        except ImportError as error:
            raise UserError(
                f"{variable}: expected the package {error.name}; pip install 'marque[tracking]', or unset the variable"
            ) from None
        except Exception as error:
            if variable in self.ids:
                _warn(variable, "this run's epochs will not be in its charts, training goes on", error)
                return
            raise UserError(
                f"{variable}: expected a service that answers, received: {_said(error)}; start it, or unset the variable"
            ) from None
        self._trackers[variable] = tracker
        self.ids[variable] = tracker.id


@contextlib.contextmanager
def _warned(variable: str, consequence: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if variable not in SERVICES:
            raise
        _warn(variable, consequence, error)


def _warn(variable: str, consequence: str, error: Exception) -> None:
    Console(stderr=True, highlight=False, soft_wrap=True, markup=False).print(f"{variable}: {consequence}: {_said(error)}")


def _said(error: Exception) -> str:
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    # an address may hold a user's name and password
    return re.sub(r"(?<=//)[^/@\s]*@", "", line)[:200]
