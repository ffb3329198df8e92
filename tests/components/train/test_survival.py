"""A run that is killed, stopped or fails goes on from its checkpoint and ends as if nothing had happened."""

import csv
import dataclasses
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from components.train.config import TrainConfig
from components.train.preemption import EXIT_STATUS
from components.train.step import run
from components.train.training import Training

TINY = TrainConfig(
    backbone="hidden", weights="none", batchnorm="trained", image_px=32, epochs=4, batch=8, augment="none", dropout=0.5, ema=0.9
)
UNFREEZING = {"frozen_epochs": 1, "unfreeze_epochs": 1, "layer_decay": 0.5}
KILLS = 20
DEADLINE_S = 240.0


class InterruptionError(Exception):
    """What the test's own callback raises."""


def weights(folder: Path) -> list[np.ndarray]:
    return keras.models.load_model(folder / "model.keras", compile=False).get_weights()


def history(folder: Path) -> list[dict[str, float]]:
    with (folder / "history.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    return [{name: float(value) for name, value in row.items() if name not in ("seconds", "images_per_s")} for row in rows]


def assert_same(folder: Path, expected: Path, tolerance: float) -> None:
    for array, other in zip(weights(folder), weights(expected), strict=True):
        np.testing.assert_allclose(array, other, atol=tolerance)
    for row, other in zip(history(folder), history(expected), strict=True):
        assert row == pytest.approx(other, abs=max(tolerance * 10, 1e-9))


def interrupt_before(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """The next run to come to that step, counted from 0, ends there."""
    advance = Training.advance

    def until(training: Training, batches: object) -> object:
        if training.step == step:
            monkeypatch.undo()
            raise InterruptionError
        return advance(training, batches)

    monkeypatch.setattr(Training, "advance", until)


def interrupt_after(epoch: int) -> object:
    def on_epoch(number: int, row: dict[str, float]) -> None:
        if number == epoch:
            raise InterruptionError

    return on_epoch


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({}, id="ema"),
        pytest.param({"ema": 0.0, "swa": 0.5, "backbone": "traditional"}, id="swa", marks=pytest.mark.slow),
        pytest.param({"accumulate": 2, "optimizer": "sgd", "head_weights": "learned"}, id="accumulated", marks=pytest.mark.slow),
        pytest.param({"frozen_epochs": 2, "schedule": "plateau", "ema": 0.0}, id="cached-features"),
        pytest.param({**UNFREEZING, "backbone": "MobileNetV2-0.35"}, id="unfreezing", marks=pytest.mark.slow),
        pytest.param({"mixup": 0.5, "augment": "imgaug", "precision": "mixed_float16"}, id="mixed", marks=pytest.mark.slow),
    ],
)
def test_a_run_goes_on_from_its_checkpoint(
    settings: dict[str, object], toy_records: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = dataclasses.replace(TINY, **settings)
    run(toy_records, tmp_path / "undisturbed", config)
    checkpoints = str(tmp_path / "checkpoints")
    # the middle of the first, the third and the last of four epochs of three steps, and an epoch's end
    for step in (1, 7, 11):
        interrupt_before(monkeypatch, step)
        with pytest.raises(InterruptionError):
            run(toy_records, tmp_path / "model", config, checkpoints=checkpoints, checkpoint_every_s=0.0)
    with pytest.raises(InterruptionError):
        run(toy_records, tmp_path / "model", config, checkpoints=checkpoints, on_epoch=interrupt_after(4))
    assert not (tmp_path / "model").exists()
    run(toy_records, tmp_path / "model", config, checkpoints=checkpoints, on_epoch=interrupt_after(2))
    assert_same(tmp_path / "model", tmp_path / "undisturbed", 1e-5)
    assert list((tmp_path / "checkpoints").iterdir()) == []


@pytest.mark.slow
def test_a_run_that_had_only_to_be_written_is_written_whole(
    toy_records: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise InterruptionError

    run(toy_records, tmp_path / "undisturbed", TINY)
    with monkeypatch.context() as patched, pytest.raises(InterruptionError):
        patched.setattr(keras.Model, "save", full)
        run(toy_records, tmp_path / "model", TINY, checkpoints=str(tmp_path / "checkpoints"))
    run(toy_records, tmp_path / "model", TINY, checkpoints=str(tmp_path / "checkpoints"), on_epoch=interrupt_after(1))
    assert_same(tmp_path / "model", tmp_path / "undisturbed", 1e-5)


@pytest.mark.slow
def test_another_setting_starts_anew(toy_records: list[Path], tmp_path: Path) -> None:
    checkpoints = str(tmp_path / "checkpoints")
    with pytest.raises(InterruptionError):
        run(toy_records, tmp_path / "model", TINY, checkpoints=checkpoints, on_epoch=interrupt_after(2))
    seen: list[int] = []
    other = dataclasses.replace(TINY, seed=1)
    run(toy_records, tmp_path / "model", other, checkpoints=checkpoints, on_epoch=lambda epoch, row: seen.append(epoch))
    assert seen == [1, 2, 3, 4]


@pytest.mark.slow
def test_a_run_goes_on_from_a_bucket(toy_records: list[Path], tmp_path: Path, gcs: str) -> None:
    run(toy_records, tmp_path / "undisturbed", TINY)
    with pytest.raises(InterruptionError):
        run(toy_records, tmp_path / "model", TINY, checkpoints=f"gs://{gcs}/runs", on_epoch=interrupt_after(3))
    run(toy_records, tmp_path / "model", TINY, checkpoints=f"gs://{gcs}/runs", on_epoch=interrupt_after(2))
    assert_same(tmp_path / "model", tmp_path / "undisturbed", 1e-5)


def child(records: list[Path], output: Path, config: TrainConfig, every_s: float) -> multiprocessing.process.BaseProcess:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["components.train.step"])
    process = context.Process(
        target=run,
        args=(records, output, config),
        kwargs={"checkpoints": str(output.parent / "checkpoints"), "checkpoint_every_s": every_s},
    )
    process.start()
    return process


def wait_for_saves(folder: Path, saves: int, process: multiprocessing.process.BaseProcess) -> None:
    """Until the checkpoint has been replaced so often, or the process has ended."""
    deadline, seen = time.monotonic() + DEADLINE_S, set()
    while len(seen) <= saves and process.is_alive():
        assert time.monotonic() < deadline
        seen |= {(path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.glob("*/checkpoint.npz")} or {(0, 0)}
        time.sleep(0.001)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_at_random_moments_it_ends_with_the_same_weights(toy_records: list[Path], tmp_path: Path) -> None:
    config = dataclasses.replace(TINY, epochs=16, deterministic=True)
    undisturbed = child(toy_records, tmp_path / "a" / "model", config, every_s=1e9)
    undisturbed.join(DEADLINE_S)
    assert undisturbed.exitcode == 0
    moments = random.Random(0)
    killed = 0
    for _ in range(KILLS):
        process = child(toy_records, tmp_path / "b" / "model", config, every_s=0.0)
        wait_for_saves(tmp_path / "b" / "checkpoints", moments.randint(0, 3), process)
        process.join(moments.uniform(0, 0.1))
        process.kill()
        process.join()
        killed += process.exitcode == -signal.SIGKILL
    assert killed == KILLS, "the run was over before it had been killed so often: give it more epochs"
    last = child(toy_records, tmp_path / "b" / "model", config, every_s=0.0)
    last.join(DEADLINE_S)
    assert last.exitcode == 0
    assert_same(tmp_path / "b" / "model", tmp_path / "a" / "model", 0.0)


@pytest.mark.slow
def test_sigterm_saves_at_once_and_asks_to_be_tried_again(toy_records: list[Path], tmp_path: Path) -> None:
    config = dataclasses.replace(TINY, epochs=300)
    process = child(toy_records, tmp_path / "model", config, every_s=1e9)
    wait_for_saves(tmp_path / "checkpoints", 1, process)
    os.kill(process.pid or 0, signal.SIGTERM)
    process.join(DEADLINE_S)
    assert process.exitcode == EXIT_STATUS == 143
    assert not (tmp_path / "model").exists()
    seen: list[int] = []

    def on_epoch(epoch: int, row: dict[str, float]) -> None:
        seen.append(epoch)
        raise InterruptionError

    with pytest.raises(InterruptionError):
        run(toy_records, tmp_path / "model", config, checkpoints=str(tmp_path / "checkpoints"), on_epoch=on_epoch)
    assert seen[0] > 1
