"""What each epoch came to: a row of `history.csv`; and how far a run is: a bar in a terminal, a plain line now and then elsewhere."""

import csv
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from components.common.whole import whole_file

LINE_EVERY_S = 5.0
COLUMNS = ["epoch", "loss", "label_loss", "box_loss", "embedding_loss", "top1", "iou", "val_loss", "val_top1", "val_iou"]
COLUMNS += ["learning_rate", "seconds", "images_per_s"]


class History:
    """Writes `history.csv`, whole after every epoch; its columns are `COLUMNS`, less `embedding_loss` where there is none.

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
    """Shows how far a run is; a context manager.

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
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("training", total=epochs * steps, figures="")
        self._first: tuple[int, float] | None = None
        self._said = 0.0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.stop()

    def step(self, done: int, logs: Mapping[str, Any]) -> None:
        """After step `done` of the run, counted from 1; `logs` are the epoch's metrics so far, read only where they are shown."""
        now = time.monotonic()
        self._first = self._first or (done - 1, now)
        if self._bar.disable or now - self._said < 0.1:
            return
        self._said = now
        speed = (done - self._first[0]) * self._batch / (now - self._first[1] + 1e-9)
        figures = "  ".join(f"{name} {float(logs[name]):.3f}" for name in ("loss", "top1", "iou") if name in logs)
        epoch = (done - 1) // self._steps + 1
        self._bar.update(
            self._task, completed=done, description=f"epoch {epoch}/{self._epochs}", figures=f"{figures}  {speed:.0f} images/s"
        )

    def epoch(self, row: Mapping[str, float]) -> None:
        """A line about an epoch; where there is no terminal at most one every few seconds, and the last."""
        last = row["epoch"] == self._epochs
        if self._bar.disable and time.monotonic() - self._said < LINE_EVERY_S and not last:
            return
        self._said = time.monotonic()
        self._console.print(
            f"epoch {row['epoch']:.0f}/{self._epochs}  loss {row['loss']:.3f}  top-1 {row['top1']:.3f}  IoU {row['iou']:.3f}"
            f"  |  validation: loss {row['val_loss']:.3f}  top-1 {row['val_top1']:.3f}  IoU {row['val_iou']:.3f}"
            f"  |  {row['images_per_s']:.0f} images/s, {row['seconds'] * (self._epochs - row['epoch']):.0f} s left"
        )
