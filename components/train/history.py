"""What each epoch came to: a row of `history.csv`, and a line of progress."""

import csv
import time
from pathlib import Path

import keras
from rich.console import Console

from components.common.whole import whole_file

LINE_EVERY_S = 5.0
COLUMNS = {
    "loss": "loss",
    "label_loss": "label_loss",
    "box_loss": "box_loss",
    "top1": "top1",
    "iou": "iou",
    **{f"val_{name}": f"val_{name}" for name in ("loss", "top1", "iou")},
}


class History(keras.callbacks.Callback):
    """Writes `history.csv`, whole after every epoch, and prints a line for an epoch at most every few seconds.

    Args:
        path: the file to write; columns epoch, those of `COLUMNS`, seconds, images_per_s (validation included).
        epochs: how many there will be.
        photos: photos seen in an epoch.
    """

    def __init__(self, path: Path, epochs: int, photos: int):
        super().__init__()
        self._path = path
        self._epochs = epochs
        self._photos = photos
        self._rows: list[dict[str, float]] = []
        self._console = Console(stderr=True, highlight=False)
        self._said = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._began = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        seconds = time.monotonic() - self._began
        row: dict[str, float] = {"epoch": epoch + 1, **{name: (logs or {})[key] for name, key in COLUMNS.items()}}
        self._rows.append({**row, "seconds": round(seconds, 2), "images_per_s": round(self._photos / seconds, 1)})
        self._write()
        if time.monotonic() - self._said >= LINE_EVERY_S or epoch + 1 == self._epochs:
            self._said = time.monotonic()
            self._console.print(
                f"epoch {epoch + 1}/{self._epochs}  loss {row['loss']:.3f}  top-1 {row['top1']:.3f}  IoU {row['iou']:.3f}"
                f"  |  validation: loss {row['val_loss']:.3f}  top-1 {row['val_top1']:.3f}  IoU {row['val_iou']:.3f}"
                f"  |  {self._photos / seconds:.0f} images/s, {seconds * (self._epochs - epoch - 1):.0f} s left",
                soft_wrap=True,
            )

    def _write(self) -> None:
        with whole_file(self._path) as path, path.open("w", newline="") as handle:
            writer = csv.DictWriter(handle, list(self._rows[0]))
            writer.writeheader()
            writer.writerows(self._rows)
