"""What a study has come to: settings, files and the page, from trials whose scores follow a formula instead of a training."""

import dataclasses
import json
import math
import re
from pathlib import Path

import optuna
import pandas as pd
import pytest
from optuna.trial import TrialState

from components.common.errors import UserError
from components.train.config import TrainConfig
from components.tune.best import best
from components.tune.page import importances, render
from components.tune.space import load, parse
from components.tune.study import create, sample

EPOCHS = 6
WANTED = TrainConfig(epochs=30, backbone="MobileNetV2-0.35")


def studied(path: Path, trials: int) -> optuna.Study:
    """A study in which the learning rate decides, best at 2e-3, and nothing else matters."""
    study = create(str(path), "one", {"train_settings": dataclasses.asdict(WANTED), "trial_epochs": EPOCHS})
    sample(study, seed=0, worker=0, startup_trials=5, epochs=EPOCHS)
    space = parse(load(), WANTED)
    for _ in range(trials):
        trial = study.ask(space)
        trial.set_user_attr("worker", 0)
        if trial.number == 2:
            trial.set_user_attr("reason", "diverged <at once>")
            study.tell(trial, state=TrialState.PRUNED)
            continue
        reached = math.exp(-(math.log10(trial.params["learning_rate"] / 2e-3) ** 2))
        for epoch in range(1, EPOCHS + 1):
            trial.report(score := reached * (1 - math.exp(-epoch / 2)), epoch)
            trial.set_user_attr("top1", score / 0.8)
            trial.set_user_attr("iou", 0.8)
            if trial.should_prune():
                trial.set_user_attr("reason", f"below the median at epoch {epoch}")
                study.tell(trial, state=TrialState.PRUNED)
                break
        else:
            study.tell(trial, score)
    return study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> optuna.Study:
    return studied(tmp_path_factory.mktemp("study") / "study.journal", 24)


@pytest.mark.slow
def test_the_best_settings_are_the_best_trials_over_those_wanted(tmp_path: Path) -> None:
    study = studied(tmp_path / "study", 24)
    settings = best(str(tmp_path / "study"), "", tmp_path / "out")
    assert settings == {**dataclasses.asdict(WANTED), **study.best_trial.params}
    assert settings["epochs"] == 30
    assert settings["learning_rate"] == pytest.approx(2e-3, rel=0.5)
    found = json.loads((tmp_path / "out" / "best.json").read_text())
    assert found["settings"] == settings
    assert found["score"] == study.best_value
    assert found["trials"]["complete"] + found["trials"]["pruned"] == 24
    assert found["trials"]["pruned"] >= 5
    table = pd.read_csv(tmp_path / "out" / "trials.csv")
    assert len(table) == 24
    assert table["value"].max() == pytest.approx(study.best_value)


def test_the_page_shows_every_trial_and_loads_nothing(study: optuna.Study) -> None:
    page = render(study)
    rows = re.findall(r"<tr[^>]*>\s*<td>(\d+)</td>", page)
    assert sorted(map(int, rows)) == list(range(24))
    assert int(rows[0]) == study.best_trial.number
    assert page.count("below the median at epoch") == sum(
        trial.user_attrs.get("reason", "").startswith("below") for trial in study.trials
    )
    assert "diverged &lt;at once&gt;" in page
    assert "<at once>" not in page
    assert page.count("data:image/png;base64,") == 6
    assert not re.search(r"(?:src|href|srcset)=\"(?!data:)", page)


def test_a_page_of_a_single_trial(tmp_path: Path) -> None:
    page = render(studied(tmp_path / "study", 1))
    assert page.count("data:image/png;base64,") == 4
    assert "Importance" not in page


def test_the_setting_that_decides_is_the_most_important(study: optuna.Study) -> None:
    shares = importances(study)
    assert next(iter(shares)) == "learning_rate"
    assert sum(shares.values()) == pytest.approx(1)


def test_without_a_complete_trial_there_is_one_clear_line(tmp_path: Path) -> None:
    study = studied(tmp_path / "study", 0)
    for _ in range(3):
        trial = study.ask()
        trial.set_user_attr("reason", "diverged")
        study.tell(trial, state=TrialState.PRUNED)
    with pytest.raises(UserError, match=r"among the 3 of one in .* found none: diverged \(3 times\); search lower"):
        best(str(tmp_path / "study"), "", tmp_path / "out")
    assert not (tmp_path / "out").exists()
