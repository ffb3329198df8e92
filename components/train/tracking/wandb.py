"""A run of Weights & Biases, on its server or in files for a later `wandb sync`."""

import dataclasses

from components.train.config import TrainConfig
from components.train.tracking.tracker import Row

SETTINGS = {
    "silent": True,
    # what is printed is not W&B's to send away
    "console": "off",
    # W&B would wait for ever
    "init_timeout": 30,
    "finish_timeout": 60,
    "finish_timeout_raises": True,
}


class WeightsAndBiases:
    """A run in the project WANDB_PROJECT; account, mode and folder too are read from W&B's own environment variables."""

    def __init__(self, config: TrainConfig, run_id: str):
        import wandb

        self._run = wandb.init(config=dataclasses.asdict(config), id=run_id or None, resume="allow", settings=SETTINGS)
        self.id = self._run.id

    def epoch(self, row: Row) -> None:
        """Logs the epoch's figures."""
        self._run.log(dict(row), step=int(row["epoch"]))

    def close(self, failed: bool) -> None:
        """Ends the run."""
        self._run.finish(exit_code=int(failed))
