"""`history.csv` and what is shown of a run, in a terminal and elsewhere."""

import csv
import io
from pathlib import Path

import pytest
from rich.console import Console

from components.train.history import History, Watch

MEASURED = {"loss": 1.5, "top1": 0.25, "iou": 0.5, "val_loss": 2.0, "val_top1": 0.2, "val_iou": 0.4, "learning_rate": 1e-3}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as handle:
        return list(csv.DictReader(handle))


def test_a_row_an_epoch_in_the_order_of_the_columns(tmp_path: Path) -> None:
    history = History(tmp_path / "history.csv", photos=80)
    row = history.add({**MEASURED, "val_label_loss": 9.0})
    history.add({**MEASURED, "loss": 1.25})
    assert list(row) == ["epoch", *MEASURED, "seconds", "images_per_s"]
    assert [(line["epoch"], line["loss"]) for line in rows(tmp_path / "history.csv")] == [("1", "1.5"), ("2", "1.25")]


def test_a_resumed_run_keeps_its_rows_and_its_seconds(tmp_path: Path) -> None:
    before = History(tmp_path / "a.csv", photos=80)
    before.add(MEASURED)
    state = {**before.state, "seconds": 100.0}
    after = History(tmp_path / "b.csv", 80, **state)
    assert after.add(MEASURED)["seconds"] >= 100.0
    assert [line["epoch"] for line in rows(tmp_path / "b.csv")] == ["1", "2"]


@pytest.mark.parametrize("terminal", [True, False])
def test_a_run_is_shown(terminal: bool, tmp_path: Path) -> None:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=terminal, color_system=None, width=140)
    history = History(tmp_path / "history.csv", 80)
    with Watch(2, 10, 8, console) as watch:
        for epoch in range(2):
            for step in range(10):
                watch.step(epoch * 10 + step + 1, {"loss": 1.0, "top1": 0.125, "iou": 0.5})
            watch.epoch(history.add(MEASURED))
    text = shown.getvalue()
    assert "epoch 2/2  loss 1.500  top-1 0.250  IoU 0.500" in text
    assert ("loss 1.000  top1 0.125  iou 0.500" in text) == terminal


def test_elsewhere_lines_come_now_and_then_only(tmp_path: Path) -> None:
    shown = io.StringIO()
    history = History(tmp_path / "history.csv", 80)
    with Watch(100, 10, 8, Console(file=shown, width=140)) as watch:
        for _ in range(100):
            watch.epoch(history.add(MEASURED))
    assert [line.split()[1] for line in shown.getvalue().splitlines()] == ["1/100", "100/100"]
