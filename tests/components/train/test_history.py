"""`history.csv` and what is shown of a run, in a terminal and elsewhere."""

import io
import math
import re
from pathlib import Path

import pytest
from rich.console import Console

from components.train import history as history_module
from components.train.config import TrainConfig
from components.train.history import History, Watch, best, read

MEASURED = {"loss": 1.5, "top1": 0.25, "iou": 0.5, "val_loss": 2.0, "val_top1": 0.2, "val_iou": 0.4, "learning_rate": 1e-3}
LOGS = {"loss": 1.0, "top1": 0.125, "iou": 0.5}


def test_a_row_an_epoch_in_the_order_of_the_columns(tmp_path: Path) -> None:
    history = History(tmp_path / "history.csv", photos=80)
    row = history.add({**MEASURED, "top5": 9.0})
    history.add({**MEASURED, "loss": 1.25})
    assert list(row) == ["epoch", *MEASURED, "seconds", "images_per_s"]
    assert [(row["epoch"], row["loss"]) for row in read(tmp_path / "history.csv")] == [(1, 1.5), (2, 1.25)]


def test_a_resumed_run_keeps_its_rows_and_its_seconds(tmp_path: Path) -> None:
    before = History(tmp_path / "a.csv", photos=80)
    before.add(MEASURED)
    state = {**before.state, "seconds": 100.0}
    after = History(tmp_path / "b.csv", 80, **state)
    assert after.add(MEASURED)["seconds"] >= 100.0
    assert [row["epoch"] for row in read(tmp_path / "b.csv")] == [1, 2]


def test_the_best_epoch_is_the_one_whose_weights_are_kept() -> None:
    figures = {"val_loss": [-1.0, 0.5, -2.0], "val_label_loss": [2.0, 1.0, 3.0], "val_box_loss": [0.3, 0.5, 0.1]}
    rows = [
        {**MEASURED, "epoch": epoch + 1, "seconds": 10.0, **{name: values[epoch] for name, values in figures.items()}}
        for epoch in range(3)
    ]
    expected = {"epoch": 2, "val_loss": 0.5, "val_top1": 0.2, "val_iou": 0.4, "seconds": 30.0}
    assert best(rows, TrainConfig(head_weights="learned")) == expected
    assert best(rows, TrainConfig(box_weight=100.0))["epoch"] == 3
    broken = {**rows[0], "val_label_loss": math.nan}
    assert best([broken, *rows[1:]], TrainConfig())["epoch"] == 2


def shown(terminal: bool, *, epochs: int = 2, first_step: int = 1) -> str:
    text = io.StringIO()
    with Watch(epochs, 10, 8, Console(file=text, force_terminal=terminal, color_system=None, width=140)) as watch:
        for done in range(first_step, epochs * 10 + 1):
            watch.step(done, LOGS)
            if done % 10 == 0:
                watch.epoch({**MEASURED, "epoch": done // 10, "seconds": 45.0, "images_per_s": 80.0})
    return text.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_a_run_is_shown(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_module, "BAR_EVERY_S", 0.0)
    monkeypatch.setattr(history_module, "STEP_LINE_EVERY_S", 0.0)
    text = shown(terminal)
    assert "epoch 1/2  loss 1.500  top-1 0.250  IoU 0.500  |  validation: loss 2.000  top-1 0.200  IoU 0.400" in text
    assert "|  80 images/s  0:00:45 left" in text
    assert ("epoch 2/2, step 10/10  loss 1.000  top-1 0.125  IoU 0.500" in text) != terminal
    assert ("epoch 2/2 \u2501" in text) == terminal
    assert re.search(r"IoU 0\.500  \d+ images/s  0:00:00 left", text)


def test_elsewhere_lines_come_now_and_then_and_at_the_end() -> None:
    lines = shown(False, epochs=100).splitlines()
    assert [line.split("  loss")[0] for line in lines] == ["epoch   1/100", "epoch 100/100"]


def test_a_run_that_stops_early_shows_its_last_epoch() -> None:
    text = io.StringIO()
    with Watch(100, 10, 8, Console(file=text, width=140)) as watch:
        for epoch in (1, 2, 3):
            watch.epoch({**MEASURED, "epoch": epoch, "seconds": 45.0, "images_per_s": 80.0})
    assert text.getvalue().splitlines()[-1].startswith("epoch   3/100")


def test_a_resumed_run_is_timed_from_where_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_module, "STEP_LINE_EVERY_S", 0.0)
    first = shown(False, epochs=1000, first_step=9_981).splitlines()[0]
    assert first == "epoch  999/1000, step 1/10  loss 1.000  top-1 0.125  IoU 0.500"
