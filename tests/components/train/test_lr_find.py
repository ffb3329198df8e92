"""The learning-rate range test: a suggestion that learns, and one line where no rate does."""

import csv
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner, Result

from components.common.errors import UserError
from components.common.records import open_records
from components.train.__main__ import main
from components.train.config import TrainConfig
from components.train.lr_find import RATES, Curve, ramp, run
from components.train.models import build
from components.train.reader import Reader
from components.train.trainee import Trainee

CONFIG = TrainConfig(backbone="hidden", weights="none", batchnorm="trained", image_px=32, batch=8, augment="none", warm_up=0.0)


def curve(losses: np.ndarray) -> Curve:
    return Curve(RATES, losses, losses)


def lr_find(records: list[Path], output: Path, *settings: str) -> Result:
    chosen = ["backbone=hidden", "weights=none", "batchnorm=trained", "image_px=32", "batch=8", "augment=none", *settings]
    folders = [f"--records={folder}" for folder in records]
    return CliRunner().invoke(main, ["lr-find", *folders, f"--output={output}", *(f"--set={each}" for each in chosen)])


@pytest.mark.parametrize("steepest", [1e-4, 1e-3, 1e-2])
def test_suggested_is_where_the_loss_falls_fastest_not_where_it_is_lowest(steepest: float) -> None:
    decades = np.log10(RATES / steepest)
    noise = np.random.default_rng(0).normal(0, 0.02, len(RATES))
    losses = 5 - np.tanh(2 * decades) + np.exp(4 * (decades - 1.5)) + noise
    suggested = curve(losses).suggestion()
    assert suggested
    assert 1 / 2 < suggested / steepest < 2
    assert RATES[np.argmin(losses)] > 3 * steepest


def test_nothing_is_suggested_where_the_loss_never_falls() -> None:
    assert curve(np.full(len(RATES), 5.0)).suggestion() is None
    assert curve(5 + RATES).suggestion() is None
    by_chance = 0
    for seed in range(100):
        losses = 5 + np.random.default_rng(seed).normal(0, 0.1, len(RATES))
        weights = np.tril(0.9 ** np.subtract.outer(np.arange(len(RATES)), np.arange(len(RATES))))
        by_chance += Curve(RATES, losses, weights @ losses / weights.sum(axis=1)).suggestion() is not None
    assert by_chance <= 3


@pytest.mark.slow
def test_the_suggestion_learns_faster_than_rates_far_from_it(toy_records: list[Path], tmp_path: Path) -> None:
    suggested = run(toy_records, tmp_path, CONFIG)
    network = build(CONFIG, 3)
    untrained = network.get_weights()
    trainee = Trainee(network, CONFIG)
    reached = {}
    with Reader(open_records(toy_records), CONFIG) as reader:
        for factor in (0.01, 1.0, 100.0):
            network.set_weights(untrained)
            trainee.compile(keras.optimizers.Adam(suggested * factor), jit_compile=False)
            history = trainee.fit(reader.training(), steps_per_epoch=10, epochs=5, shuffle=False, verbose=0).history
            reached[factor] = history["loss"][-1]
    assert reached[1.0] < min(reached[0.01], reached[100.0])


@pytest.mark.slow
def test_the_command_says_its_suggestion_and_writes_what_it_saw(toy_records: list[Path], tmp_path: Path) -> None:
    result = lr_find(toy_records, tmp_path, "accumulate=2")
    assert result.exit_code == 0, result.output
    suggested = float(result.stdout.split(",")[0].removeprefix("learning_rate="))
    assert 1e-5 < suggested < 0.1
    with (tmp_path / "lr-find.csv").open() as handle:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(handle)]
    rates, losses, smoothed = ([row[name] for row in rows] for name in ("learning_rate", "loss", "smoothed"))
    assert rates[0] == 1e-6
    assert np.allclose(np.diff(np.log(rates)), np.log(1e6) / 99)
    weights = 0.9 ** np.arange(20)[::-1]
    assert smoothed[19] == pytest.approx(np.average(losses[:20], weights=weights))
    assert all(value <= 4 * min(smoothed[: place + 1]) for place, value in enumerate(smoothed))
    assert (tmp_path / "lr-find.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_hopeless_case_says_so_in_one_line(toy_records: list[Path], tmp_path: Path) -> None:
    result = lr_find(toy_records, tmp_path, "class_weight=0", "box_weight=0")
    assert result.exit_code == 1
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("marque: error:")]
    assert "expected a loss that falls at some learning rate" in line
    assert "Traceback" not in result.output
    assert {path.name for path in tmp_path.iterdir()} == {"lr-find.csv", "lr-find.png"}


@pytest.mark.slow
def test_a_loss_that_is_no_number_is_told(toy_records: list[Path]) -> None:
    network = build(CONFIG, 3)
    network.get_layer("logits").bias.assign([0.0, np.nan, 0.0])
    with (
        Reader(open_records(toy_records), CONFIG) as reader,
        pytest.raises(UserError, match=r"finite at first, found nan at .* 1.0e-06"),
    ):
        ramp(network, CONFIG, reader)
