"""The compiled pipeline run by kfp.local on a tiny toy set: from photos to a deployed model, reuse, refusal, errors."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from components.common.errors import UserError
from pipelines.compile import compile_training
from pipelines.run import Result, run_locally

TRAIN = {"backbone": "MobileNetV2-0.35", "weights": "none", "batchnorm": "trained", "image_px": 32, "epochs": 1, "batch": 8}
TINY = {"source": "toy://?classes=2&per_class=15&seed=1", "train_settings": TRAIN}
STEPS = {"ingest", "shard", "train", "export", "evaluate", "validate"}


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pipeline") / "training.yaml"
    compile_training(path, "marque:test")
    return path


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def first(pipeline: Path, root: Path) -> Result:
    return run_locally(pipeline, {**TINY, "repository": str(root / "models")}, root)


def names(reused: list[str]) -> set[str]:
    return {name.split("-")[0] for name in reused}


@pytest.mark.slow
def test_from_photos_to_a_deployed_model(first: Result, root: Path) -> None:
    assert first.blessed
    assert first.reused == []
    assert (root / "models" / "marque" / "1" / "saved_model.pb").is_file()
    metrics = json.loads((first.evaluation / "metrics.json").read_text())
    assert metrics["photos"] == 6
    assert (first.dataset / "annotations.parquet").is_file()
    assert "<html" in (first.evaluation / "report.html").read_text()


@pytest.mark.slow
def test_a_second_run_is_compared_with_what_the_first_deployed_and_a_third_reuses_every_step(
    first: Result, pipeline: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parameters = {**TINY, "repository": str(root / "models")}
    again = run_locally(pipeline, parameters, root)
    assert names(again.reused) == STEPS - {"evaluate", "validate"}
    assert "train: reused from an earlier run" in capsys.readouterr().out
    assert again.blessed
    metrics = json.loads((again.evaluation / "metrics.json").read_text())
    assert metrics["champion"]["address"] == str(root / "models" / "marque" / "1")
    assert metrics["reasons"][-1].endswith("is this very model.")
    assert names(run_locally(pipeline, parameters, root).reused) == STEPS
    assert [path.name for path in (root / "models" / "marque").iterdir() if path.name.isdigit()] == ["1"]


@pytest.mark.slow
def test_a_training_setting_runs_again_from_train_on_and_a_bad_model_is_refused(first: Result, pipeline: Path, root: Path) -> None:
    changed = {
        **TINY,
        "train_settings": {**TRAIN, "seed": 1},
        "gate_settings": {"min_top1": 1.0, "min_mean_iou": 1.0},
        "repository": str(root / "refused"),
    }
    result = run_locally(pipeline, changed, root)
    assert names(result.reused) == {"ingest", "shard"}
    assert not result.blessed
    assert not (root / "refused").exists()
    overridden = run_locally(pipeline, {**changed, "override": "a test of the gate"}, root)
    assert names(overridden.reused) == {"ingest", "shard", "train", "export"}
    assert overridden.blessed
    card = json.loads((root / "refused" / "marque" / "1" / "assets.extra" / "model_card.json").read_text())
    assert card["verdict"]["override"] == "a test of the gate"
    assert "below the minimum of 1" in card["verdict"]["reasons"][0]


@pytest.mark.slow
def test_a_failing_step_ends_in_its_own_line(pipeline: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such") as caught:
        run_locally(pipeline, {**TINY, "source": str(tmp_path / "nowhere"), "repository": str(tmp_path / "m")}, tmp_path / "run")
    assert "\n" not in str(caught.value)


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "pipelines", *arguments], capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_run_command_ends_in_one_line_and_a_non_zero_exit(pipeline: Path, tmp_path: Path) -> None:
    result = command(
        "run", f"--pipeline={pipeline}", f"--root={tmp_path}", "--source=toy://?classes=2&per_class=15", "--set", "backbone=VGG"
    )
    assert result.returncode == 1
    assert len(result.stderr.strip().splitlines()) == 1
    assert result.stderr.startswith("marque: error: backbone: expected one of")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--source=x", "--pipeline=nothing.yaml"], "nothing.yaml: no such file"),
        (["run", "--source=x", "--preset=b9"], "preset: expected one of"),
        (["run", "--source="], "source: expected a folder"),
        (["run", "--source=toy://", "--root=/dev/null/x"], "/dev/null"),
        (["compile", "--output=/dev/null/x.yaml"], "/dev/null"),
        (["submit", "--source=gs://b/s", "--endpoint=http://localhost:9", "--repository=gs://b/m"], "could not reach one"),
        (["submit", "--source=cars", "--endpoint=http://localhost:9", "--repository=gs://b/m"], "that the cluster can reach"),
    ],
)
@pytest.mark.slow
def test_wrong_use_is_answered_in_one_line(pipeline: Path, arguments: list[str], message: str) -> None:
    if arguments[0] != "compile" and not any(argument.startswith("--pipeline") for argument in arguments):
        arguments = [*arguments, f"--pipeline={pipeline}"]
    result = command(*arguments)
    assert result.returncode == 1
    assert result.stderr.startswith("marque: error: ")
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
