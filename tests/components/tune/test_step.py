"""Trials that train: a study goes on where it stopped, whatever stopped it, and what fails in a trial stays there."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import pytest
from click.testing import CliRunner
from optuna.trial import TrialState

from components.common.errors import UserError
from components.tune.__main__ import main
from components.tune.step import run
from components.tune.study import load

TINY = {
    "backbone": "hidden",
    "weights": "none",
    "batchnorm": "trained",
    "image_px": 32,
    "batch": 8,
    "augment": "none",
}
SPACE = {"learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}


def tried(records: list[Path], study: Path, **changes: Any) -> optuna.Study:
    options: dict[str, Any] = {"space": SPACE, "trials": 2, "trial_epochs": 2, "startup_trials": 5, **changes}
    settings = {**TINY, **options.pop("settings", {})}
    return load(str(study), run(records, str(study), settings, **options))


@pytest.mark.slow
def test_a_study_goes_on_and_trains_only_what_is_missing(toy_records: list[Path], tmp_path: Path) -> None:
    first = tried(toy_records, tmp_path / "study")
    assert [trial.state for trial in first.trials] == [TrialState.COMPLETE] * 2
    assert all(sorted(trial.intermediate_values) == [1, 2] for trial in first.trials)
    assert all(trial.value == pytest.approx(trial.user_attrs["top1"] * trial.user_attrs["iou"]) for trial in first.trials)
    assert len(tried(toy_records, tmp_path / "study").trials) == 2
    assert len(tried(toy_records, tmp_path / "study", trials=3).trials) == 3
    other = tried(toy_records, tmp_path / "study", trials=1, settings={"dropout": 0.5})
    assert other.study_name != first.study_name
    assert len(other.trials) == 1


@pytest.mark.slow
def test_what_diverges_is_pruned_and_the_search_goes_on(toy_records: list[Path], tmp_path: Path) -> None:
    space = {"learning_rate": {"choices": [10.0]}, "weight_decay": {"choices": [1.0]}}
    study = tried(toy_records, tmp_path / "study", space=space, trial_epochs=20)
    assert [trial.state for trial in study.trials] == [TrialState.PRUNED] * 2
    assert {trial.user_attrs["reason"] for trial in study.trials} == {"diverged"}


@pytest.mark.slow
def test_settings_that_do_not_go_together_are_pruned(toy_records: list[Path], tmp_path: Path) -> None:
    space = {"batch": {"choices": [6]}, "photos_per_class": {"choices": [4]}, **SPACE}
    study = tried(toy_records, tmp_path / "study", space=space, trials=1, settings={"batch": 12})
    assert study.trials[0].user_attrs["reason"] == "batch: expected a multiple of photos_per_class 4, received 6"


def test_what_no_setting_is_to_blame_for_ends_the_worker_and_does_not_count(toy_records: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.weights\.h5"):
        tried(toy_records, tmp_path / "study", settings={"backbone": "MobileNetV2-0.35", "weights": "nowhere.weights.h5"})
    assert [trial.state for trial in load(str(tmp_path / "study")).trials] == [TrialState.FAIL]


@pytest.mark.slow
def test_a_killed_worker_is_made_up_for(toy_records: list[Path], tmp_path: Path) -> None:
    study, output, space = tmp_path / "study", tmp_path / "out", tmp_path / "space.yaml"
    space.write_text("learning_rate: {low: 0.0001, high: 0.01, log: true}\n")
    arguments = ["run", "--trials=1", "--epochs=60", "--preset=smoke", f"--study={study}", f"--output={output}", f"--space={space}"]
    arguments += [f"--records={folder}" for folder in toy_records] + [f"--set={name}={value}" for name, value in TINY.items()]
    with subprocess.Popen([sys.executable, "-m", "components.tune", *arguments], stderr=subprocess.DEVNULL) as worker:
        deadline = time.monotonic() + 300
        while not any(trial.intermediate_values for trial in _trials(study)):
            assert worker.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        worker.kill()
    assert [trial.state for trial in _trials(study)] == [TrialState.RUNNING]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert [trial.state for trial in _trials(study)] == [TrialState.FAIL, TrialState.COMPLETE]
    assert json.loads((output / "best.json").read_text())["trial"] == 1
    assert "broken off" in (output / "page.html").read_text()


def _trials(study: Path) -> list[optuna.trial.FrozenTrial]:
    try:
        return load(str(study)).trials
    except UserError:
        return []


def test_a_worker_of_several_processes_is_refused(toy_records: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PET_NPROC_PER_NODE", "2")
    with pytest.raises(UserError, match="tune: expected one process a worker, found 2 that train together"):
        tried(toy_records, tmp_path / "study")


def test_commands(toy_records: list[Path], tmp_path: Path) -> None:
    for arguments, message in (
        (["page", f"--study={tmp_path / 'none'}"], "no such file"),
        (["run", f"--study={tmp_path / 's'}", "--records=nowhere"], "nowhere"),
        (["run", f"--study={tmp_path / 's'}", f"--records={toy_records[0]}", "--set", "epochs"], "--set: expected name=value"),
        (
            ["run", f"--study={tmp_path / 's'}", f"--records={toy_records[0]}", "--trials=0"],
            "trials: expected 1 or more, received 0",
        ),
    ):
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 1
        assert message in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1
