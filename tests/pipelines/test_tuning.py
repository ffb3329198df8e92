"""The tuning pipeline: its graph, and six trials by kfp.local, of which hopeless ones are pruned, then a model of the best."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from optuna.trial import TrialState

from components.tune.study import load
from pipelines.__main__ import main
from pipelines.compile import compile_tuning
from pipelines.run import Result, run_locally

# With this seed each of two workers draws the good rate first and the hopeless one second, whichever of them begins first.
SEED = 512
TINY = {
    "source": "toy://?classes=2&per_class=40&seed=1",
    "train_settings": {
        "backbone": "traditional",
        "weights": "none",
        "batchnorm": "trained",
        "image_px": 32,
        "batch": 8,
        "augment": "none",
        "epochs": 10,
        "seed": SEED,
    },
    "space": {"learning_rate": {"choices": [1e-3, 1e-8]}, "dropout": {"low": 0.0, "high": 0.5}},
    "trials": 6,
    "trial_epochs": 8,
    "startup_trials": 1,
}


def compiled(path: Path, **options: Any) -> list[dict[str, Any]]:
    compile_tuning(path, "marque:test", **options)
    return list(yaml.safe_load_all(path.read_text()))


@pytest.mark.slow
def test_trials_run_side_by_side_and_are_never_taken_from_the_cache(tmp_path: Path) -> None:
    graph, _ = compiled(tmp_path / "tuning.yaml", workers=3)
    tasks = {name: task for part in graph["components"].values() for name, task in part.get("dag", {}).get("tasks", {}).items()}
    assert [task["parameterIterator"]["items"]["raw"] for task in tasks.values() if "parameterIterator" in task] == ["[0, 1, 2]"]
    for name in ("tune", "best"):
        assert not tasks[name].get("cachingOptions", {}).get("enableCache")
    assert graph["root"]["dag"]["tasks"]["train"]["cachingOptions"]["enableCache"]


@pytest.mark.slow
def test_what_trials_ask_of_a_cluster(tmp_path: Path) -> None:
    graph, platform = compiled(tmp_path / "tuning.yaml", gpus=1, retries=2, study_volume="studies")
    executors = graph["deploymentSpec"]["executors"]
    with_gpu = {name for name, entry in executors.items() if "accelerator" in entry["container"]["resources"]}
    assert with_gpu == {"exec-train", "exec-tune"}
    asked = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    mounted = {name: entry["pvcMount"][0]["mountPath"] for name, entry in asked.items() if "pvcMount" in entry}
    assert mounted == {"exec-tune": "/study", "exec-best": "/study"}
    retried = [
        task["retryPolicy"]["maxRetryCount"]
        for part in graph["components"].values()
        for name, task in part.get("dag", {}).get("tasks", {}).items()
        if name == "tune"
    ]
    assert retried == [2]


@pytest.mark.slow
def test_the_command_writes_the_yaml(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["compile", "tuning", f"--output={tmp_path / 'x.yaml'}", "--workers=5", "--image=marque:1"])
    assert result.exit_code == 0, result.output
    assert "[0, 1, 2, 3, 4]" in (tmp_path / "x.yaml").read_text()


@pytest.mark.slow
def test_a_space_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["tune", "--source=toy://", f"--space={tmp_path / 'no.yaml'}", f"--root={tmp_path / 'root'}"])
    assert result.exit_code == 1
    assert result.stderr == f"marque: error: {tmp_path / 'no.yaml'}: no such file; expected a search space as YAML\n"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tune")
    compile_tuning(root / "tuning.yaml", "marque:test")
    return root


def run(root: Path) -> Result:
    parameters = {**TINY, "study": str(root / "study.journal"), "repository": str(root / "models")}
    return run_locally(root / "tuning.yaml", parameters, root)


@pytest.fixture(scope="module")
def first(root: Path) -> Result:
    return run(root)


@pytest.mark.slow
def test_six_trials_some_pruned_and_the_best_settings_make_the_deployed_model(first: Result, root: Path) -> None:
    trials = load(str(root / "study.journal")).trials
    assert len(trials) >= 6
    assert {trial.state for trial in trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    assert all(trial.last_step < 8 for trial in trials if trial.state == TrialState.PRUNED)
    assert {trial.user_attrs["worker"] for trial in trials} == {0, 1}
    assert first.tuning is not None
    best = json.loads((first.tuning / "best.json").read_text())
    assert best["settings"]["learning_rate"] == 1e-3
    assert best["settings"]["epochs"] == 10
    trained = json.loads(next((root / "artifacts").rglob("config.json")).read_text())
    assert best["settings"].items() <= trained.items()
    assert first.blessed
    assert (root / "models" / "marque" / "1" / "saved_model.pb").is_file()
    assert "below the median" in (first.tuning / "page.html").read_text()


@pytest.mark.slow
def test_a_second_run_trains_nothing_more(first: Result, root: Path) -> None:
    before = len(load(str(root / "study.journal")).trials)
    again = run(root)
    assert len(load(str(root / "study.journal")).trials) == before
    # what the first deployed is the champion of the second, so that is evaluated anew
    assert {name.split("-")[0] for name in again.reused} == {"ingest", "shard", "train", "export"}
