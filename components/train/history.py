"""What each epoch came to, a row of `history.csv`; and how far a run is: a bar in a terminal, a line now and then elsewhere."""

import csv
import datetime
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from components.common.whole import whole_file
from components.train.config import TrainConfig

BAR_EVERY_S = 0.1
STEP_LINE_EVERY_S = 30.0
EPOCH_LINE_EVERY_S = 5.0
MEASURED = ["loss", "label_loss", "box_loss", "embedding_loss", "top1", "iou"]
COLUMNS = ["epoch", *MEASURED, *(f"val_{name}" for name in MEASURED), "learning_rate", "seconds", "images_per_s"]


def selection_loss(row: Mapping[str, float], config: TrainConfig) -> float:
    """What the epoch whose weights are kept has the lowest of: validation's class and box loss by their fixed weights.

    Not `val_loss`: learned head weights move its scale, and a contrastive loss depends on who shares a batch.
    """
    return config.class_weight * row["val_label_loss"] + config.box_weight * row["val_box_loss"]


def best(rows: Sequence[Mapping[str, float]], config: TrainConfig) -> dict[str, float]:
    """What came out of a run: `epoch`, `val_loss`, `val_top1` and `val_iou` of the epoch kept, and the `seconds` of all."""
    kept = min((row for row in rows if math.isfinite(selection_loss(row, config))), key=lambda row: selection_loss(row, config))
    return {
        **{name: kept[name] for name in ("epoch", "val_loss", "val_top1", "val_iou")},
        "seconds": sum(row["seconds"] for row in rows),
    }


def read(path: Path) -> list[dict[str, float]]:
    """The rows of a `history.csv`."""
    with path.open(newline="") as handle:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(handle)]


class History:
    """Writes `history.csv`, whole after every epoch; its columns are `COLUMNS`, less the embedding's where there is none.

    Args:
        path: the file to write.
        photos: photos that an epoch trains on.
        rows: those of a resumed run.
        seconds: that a resumed run had spent in its epoch.

    Attributes:
        rows: an epoch each, a number a column; `seconds` and `images_per_s` include the validation.
    """

    def __init__(self, path: Path, photos: int, rows: Sequence[dict[str, float]] = (), seconds: float = 0.0):
        self.rows = list(rows)
        self._path = path
        self._photos = photos
        self._began = time.monotonic() - seconds
        if self.rows:
            self._write()

    def add(self, measured: Mapping[str, float]) -> dict[str, float]:
        """Ends an epoch; returns its row."""
        seconds, self._began = self._seconds(), time.monotonic()
        known = {
            "epoch": len(self.rows) + 1,
            **measured,
            "seconds": round(seconds, 2),
            "images_per_s": round(self._photos / seconds, 1),
        }
        self.rows.append({name: known[name] for name in COLUMNS if name in known})
        self._write()
        return self.rows[-1]

    @property
    def state(self) -> dict[str, Any]:
        """What a resumed run is given."""
        return {"rows": self.rows, "seconds": self._seconds()}

    def _seconds(self) -> float:
        return time.monotonic() - self._began

    def _write(self) -> None:
        with whole_file(self._path) as path, path.open("w", newline="") as handle:
            writer = csv.DictWriter(handle, list(self.rows[0]))
            writer.writeheader()
            writer.writerows(self.rows)


class Watch:
    """Shows how far a run is, a bar where there is a terminal, else lines; a context manager.

    Args:
        epochs: of the run.
        steps: in an epoch.
        batch: photos in a step.
        console: where; stderr unless given.
    """

    def __init__(self, epochs: int, steps: int, batch: int, console: Console | None = None):
        self._epochs, self._steps, self._batch = epochs, steps, batch
        self._console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[figures]}"),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("training", total=epochs * steps, figures="")
        self._first: tuple[int, float] | None = None
        self._step_shown, self._epoch_said = time.monotonic(), -EPOCH_LINE_EVERY_S
        self._unsaid: Mapping[str, float] | None = None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._unsaid:
            self._say(self._unsaid)
        self._bar.stop()

    def step(self, done: int, logs: Mapping[str, Any]) -> None:
        """After step `done` of the run, counted from 1; `logs` are the epoch's metrics so far.

        Only what is shown is read from the device: ten times a second in a terminal, else twice a minute.
        """
        now = time.monotonic()
        # counted from the end of the first step, which compiles
        self._first = self._first or (done, now)
        if now - self._step_shown < (STEP_LINE_EVERY_S if self._bar.disable else BAR_EVERY_S):
            return
        self._step_shown = now
        epoch, step = divmod(done - 1, self._steps)
        shown = _figures({name: float(logs[name]) for name in ("loss", "top1", "iou")})
        if done > self._first[0]:
            seconds = (now - self._first[1]) / (done - self._first[0])
            left = seconds * (self._epochs * self._steps - done)
            shown += f"  {self._batch / seconds:.0f} images/s  {_time(left)} left"
        if self._bar.disable:
            self._console.print(f"{self._name(epoch + 1)}, step {step + 1}/{self._steps}  {shown}")
        else:
            self._bar.update(self._task, completed=done, description=self._name(epoch + 1), figures=shown)

    def epoch(self, row: Mapping[str, float]) -> None:
        """A line about an epoch; where there is no terminal, at most one every few seconds, and the last."""
        self._bar.update(self._task, completed=int(row["epoch"]) * self._steps)
        if self._bar.disable and time.monotonic() - self._epoch_said < EPOCH_LINE_EVERY_S:
            self._unsaid = row
        else:
            self._say(row)

    def _say(self, row: Mapping[str, float]) -> None:
        self._unsaid, self._epoch_said, self._step_shown = None, time.monotonic(), time.monotonic()
        validation = {name.removeprefix("val_"): value for name, value in row.items() if name.startswith("val_")}
        left = row["seconds"] * (self._epochs - row["epoch"])
        self._console.print(
            f"{self._name(row['epoch'])}  {_figures(row)}  |  validation: {_figures(validation)}"
            f"  |  {row['images_per_s']:.0f} images/s  {_time(left)} left"
        )

    def _name(self, epoch: float) -> str:
        return f"epoch {epoch:{len(str(self._epochs))}.0f}/{self._epochs}"


def _figures(row: Mapping[str, float]) -> str:
    return f"loss {row['loss']:.3f}  top-1 {row['top1']:.3f}  IoU {row['iou']:.3f}"


def _time(seconds: float) -> str:
    return str(datetime.timedelta(seconds=round(seconds)))
