"""The search space: the built-in one, what a user may give, and what is refused before any trial."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from components.common.errors import UserError
from components.train import presets
from components.train.config import TrainConfig
from components.tune.space import load, parse


@pytest.mark.parametrize("preset", presets.NAMES)
def test_the_built_in_space_goes_with_every_preset(preset: str) -> None:
    # one average is kept, and the space searches the other one
    space = parse(load(), TrainConfig.of({**presets.load(preset).train, "swa": 0}))
    assert space.keys() <= {field.name for field in dataclasses.fields(TrainConfig)}
    assert {"learning_rate", "weight_decay"} <= space.keys()


def test_numbers_and_choices_have_the_types_of_their_settings() -> None:
    entries = {
        "learning_rate": {"low": 1e-4, "high": 1, "log": True},
        "dropout": {"low": 0, "high": 0.5, "step": 0.1},
        "randaugment": {"low": 0.0, "high": 4.0, "step": 2.0},  # as kfp passes whole numbers
        "batch": {"choices": [16.0, 32.0]},
        "augment": {"choices": ["none", "graph"]},
    }
    assert parse(entries, TrainConfig()) == {
        "learning_rate": FloatDistribution(1e-4, 1.0, log=True),
        "dropout": FloatDistribution(0.0, 0.5, step=0.1),
        "randaugment": IntDistribution(0, 4, step=2),
        "batch": CategoricalDistribution([16, 32]),
        "augment": CategoricalDistribution(["none", "graph"]),
    }


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({}, "space: expected at least one setting"),
        ({"epochs": {"low": 1, "high": 3}}, "other settings than epochs"),
        ({"learnign_rate": {"low": 1, "high": 3}}, "space: training settings: expected one of"),
        ({"dropout": {"low": 0, "high": 2}}, "space: dropout: expected 0 to 0.95, received 2"),
        ({"optimizer": {"choices": ["adamw", "adam"]}}, "space: optimizer: expected adamw or sgd, received 'adam'"),
        ({"dropout": {"low": 0.5, "high": 0.1}}, "space: dropout: "),
        ({"dropout": {"low": 0, "high": 0.5, "log": True}}, "space: dropout: "),
        ({"dropout": {"low": 0, "high": 0.5, "step": "a tenth"}}, "space: dropout: .*'a tenth'"),
        ({"dropout": {"low": 0, "hi": 0.5}}, "space: dropout: expected low and high .* received {'low': 0, 'hi': 0.5}"),
        ({"dropout": 0.5}, "space: dropout: expected low and high"),
        ({"dropout": {"choices": []}}, "space: dropout: expected low and high"),
        ({"optimizer": {"low": "adamw", "high": "sgd"}}, "space: optimizer: expected low and high"),
    ],
)
def test_what_cannot_be_searched_is_refused(entries: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse(entries, TrainConfig())


def test_a_file_that_is_no_space_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        load(tmp_path / "nothing.yaml")
    for text in ("- 1", "a: [", "dropout"):
        (tmp_path / "space.yaml").write_text(text)
        with pytest.raises(UserError, match="expected"):
            load(tmp_path / "space.yaml")
