"""A run on an MLflow server or in a local store."""

import dataclasses
import os
import time

from components.train.config import TrainConfig
from components.train.tracking.tracker import Row

# MLflow's own are 120 s and 7 retries, in which training would stand still
PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}


class MLflow:
    """A run in the experiment MLFLOW_EXPERIMENT_NAME; the settings are its parameters, the columns of a row its metrics."""

    def __init__(self, config: TrainConfig, run_id: str):
        for variable, value in PATIENCE.items():
            os.environ.setdefault(variable, value)
        import mlflow

        self._client = mlflow.MlflowClient()
        if run_id:
            self._client.update_run(run_id, "RUNNING")
        else:
            name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "marque")
            found = self._client.get_experiment_by_name(name)
            experiment = found.experiment_id if found else self._client.create_experiment(name)
            run_id = self._client.create_run(experiment).info.run_id
            settings = dataclasses.asdict(config).items()
            self._client.log_batch(run_id, params=[mlflow.entities.Param(setting, str(value)) for setting, value in settings])
        self.id = run_id
        self._metric = mlflow.entities.Metric

    def epoch(self, row: Row) -> None:
        """Logs the epoch's figures, in one request."""
        now, step = int(time.time() * 1000), int(row["epoch"])
        self._client.log_batch(self.id, [self._metric(name, value, now, step) for name, value in row.items()])

    def close(self, failed: bool) -> None:
        """Ends the run."""
        self._client.set_terminated(self.id, "FAILED" if failed else "FINISHED")
