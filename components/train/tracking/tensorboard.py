"""TensorBoard's event files."""

import dataclasses
from pathlib import Path

import tensorflow as tf

from components.train.config import TrainConfig
from components.train.tracking.tracker import Row


class TensorBoard:
    """Event files in `folder/train` and `folder/validation`, so that both curves share a chart; the settings as a table."""

    id = ""

    def __init__(self, folder: Path, config: TrainConfig):
        self._writers = {name: tf.summary.create_file_writer(str(folder / name)) for name in ("train", "validation")}
        table = "".join(f"|{name}|{value}|\n" for name, value in dataclasses.asdict(config).items())
        with self._writers["train"].as_default(step=0):
            tf.summary.text("settings", f"|setting|value|\n|---|---|\n{table}")

    def epoch(self, row: Row) -> None:
        """Writes the epoch's figures, under the same names for training and validation; they can be seen at once."""
        for name, value in row.items():
            split = "validation" if name.startswith("val_") else "train"
            with self._writers[split].as_default(step=int(row["epoch"])):
                tf.summary.scalar(name.removeprefix("val_"), value)
        for writer in self._writers.values():
            writer.flush()

    def close(self, failed: bool) -> None:
        """Closes the files."""
        for writer in self._writers.values():
            writer.close()
