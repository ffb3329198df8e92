"""Where a run can be watched: TensorBoard's files always, MLflow and Weights & Biases where the environment asks for them.

MLflow is asked for by MLFLOW_TRACKING_URI, W&B by WANDB_PROJECT (WANDB_MODE=offline writes files, for `wandb sync` later).
A service that cannot be reached at the start ends the run before it has cost anything; one that goes away later costs a warning.
"""

import contextlib
import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import tensorflow as tf
from rich.console import Console

from components.common.errors import UserError
from components.train.config import TrainConfig

Row = Mapping[str, float]
MLFLOW_DEADLINE_S = "10"


class Tracker(Protocol):
    """One service.

    Attributes:
        id: the run's name there, by which a resumed run goes on; empty where it needs none.
    """

    id: str

    def epoch(self, row: Row) -> None:
        """Reports an epoch."""

    def close(self, failed: bool) -> None:
        """Ends the run."""


class TensorBoard:
    """Event files in `folder/train` and `folder/validation`, so that both curves share a chart; the settings as a table."""

    id = ""

    def __init__(self, folder: Path, config: TrainConfig):
        self._writers = {name: tf.summary.create_file_writer(str(folder / name)) for name in ("train", "validation")}
        table = "".join(f"|{name}|{value}|\n" for name, value in dataclasses.asdict(config).items())
        with self._writers["train"].as_default(step=0):
            tf.summary.text("settings", f"|setting|value|\n|---|---|\n{table}")

    def epoch(self, row: Row) -> None:
        """Writes the epoch's figures, under the same names for training and validation."""
        for name, value in row.items():
            split = "validation" if name.startswith("val_") else "train"
            with self._writers[split].as_default(step=int(row["epoch"])):
                tf.summary.scalar(name.removeprefix("val_"), value)

    def close(self, failed: bool) -> None:
        """Writes what is still in memory."""
        for writer in self._writers.values():
            writer.close()


class MLflow:
    """A run on an MLflow server or in a local store; its settings are MLflow's parameters."""

    def __init__(self, config: TrainConfig, run_id: str):
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", MLFLOW_DEADLINE_S)
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        import mlflow

        self._client = mlflow.MlflowClient()
        if not run_id:
            name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "marque")
            found = self._client.get_experiment_by_name(name)
            experiment = found.experiment_id if found else self._client.create_experiment(name)
            run_id = self._client.create_run(experiment).info.run_id
            for setting, value in dataclasses.asdict(config).items():
                self._client.log_param(run_id, setting, value)
        else:
            self._client.update_run(run_id, "RUNNING")
        self.id = run_id

    def epoch(self, row: Row) -> None:
        """Logs the epoch's figures."""
        for name, value in row.items():
            self._client.log_metric(self.id, name, value, step=int(row["epoch"]))

    def close(self, failed: bool) -> None:
        """Ends the run."""
        self._client.set_terminated(self.id, "FAILED" if failed else "FINISHED")


class WeightsAndBiases:
    """A run of Weights & Biases; its account, mode and folder are read from W&B's own environment variables."""

    def __init__(self, config: TrainConfig, run_id: str):
        import wandb

        self._run = wandb.init(config=dataclasses.asdict(config), id=run_id or None, resume="allow", settings={"silent": True})
        self.id = self._run.id

    def epoch(self, row: Row) -> None:
        """Logs the epoch's figures."""
        self._run.log(dict(row), step=int(row["epoch"]))

    def close(self, failed: bool) -> None:
        """Ends the run."""
        self._run.finish(exit_code=int(failed))


SERVICES = {"MLFLOW_TRACKING_URI": MLflow, "WANDB_PROJECT": WeightsAndBiases}


class Tracking:
    """All services of a run; a context manager, which tells them whether the run ended well.

    Args:
        folder: for TensorBoard's files, in `tensorboard/`.
        config: the settings.
        rows: the epochs that a resumed run has behind it.
        ids: those that the run had before it was interrupted.

    Attributes:
        ids: of the services that keep runs apart by one, by the environment variable that asks for them.

    Raises:
        UserError: a service cannot be reached, or its package is missing.
    """

    def __init__(self, folder: Path, config: TrainConfig, rows: Sequence[Row] = (), ids: Mapping[str, str] | None = None):
        self._trackers: dict[str, Tracker] = {"tensorboard": TensorBoard(folder / "tensorboard", config)}
        for row in rows:
            self._trackers["tensorboard"].epoch(row)
        for variable, service in SERVICES.items():
            if os.environ.get(variable):
                self._trackers[variable] = _started(service, variable, config, (ids or {}).get(variable, ""))
        self.ids = {variable: tracker.id for variable, tracker in self._trackers.items() if tracker.id}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for variable in self._trackers:
            with self._warned(variable):
                self._trackers[variable].close(failed=error is not None)

    def epoch(self, row: Row) -> None:
        """Reports an epoch, a row of `history.csv`."""
        for variable in self._trackers:
            with self._warned(variable):
                self._trackers[variable].epoch(row)

    @contextlib.contextmanager
    def _warned(self, variable: str) -> Any:
        try:
            yield
        except Exception as error:
            if variable not in SERVICES:
                raise
            said = (str(error).strip() or type(error).__name__).splitlines()[0]
            Console(stderr=True, highlight=False, soft_wrap=True).print(
                f"{variable}: an epoch could not be reported, training goes on: {said}"
            )


def _started(service: Any, variable: str, config: TrainConfig, run_id: str) -> Tracker:
    try:
        return service(config, run_id)
    except ImportError as error:
        raise UserError(
            f"{variable}: expected the package {error.name}; pip install 'marque[tracking]', or unset the variable"
        ) from None
    except Exception as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"{variable}: expected a service that answers, received: {said[:200]}; start it, or unset the variable"
        ) from None
