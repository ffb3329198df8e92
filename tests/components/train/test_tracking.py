"""What TensorBoard, MLflow and Weights & Biases are told: read back through their own readers, offline."""

import dataclasses
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

from components.common.errors import UserError
from components.train.config import TrainConfig
from components.train.tracking import Tracking

CONFIG = TrainConfig(seed=7)
ROWS = [{"epoch": epoch, "loss": 2.0 / epoch, "val_loss": 3.0 / epoch, "val_top1": 0.1 * epoch} for epoch in (1, 2, 3)]


@pytest.fixture(autouse=True)
def no_services(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)


def scalars(folder: Path, name: str) -> list[tuple[int, float]]:
    events = EventAccumulator(str(folder))
    events.Reload()
    return [(event.step, round(float(tf.make_ndarray(event.tensor_proto)), 4)) for event in events.Tensors(name)]


def test_tensorboard_has_both_curves_under_one_name(tmp_path: Path) -> None:
    with Tracking(tmp_path, CONFIG) as tracking:
        for row in ROWS:
            tracking.epoch(row)
    assert tracking.ids == {}
    assert scalars(tmp_path / "tensorboard" / "train", "loss") == [(1, 2.0), (2, 1.0), (3, 0.6667)]
    assert scalars(tmp_path / "tensorboard" / "validation", "loss") == [(1, 3.0), (2, 1.5), (3, 1.0)]
    assert scalars(tmp_path / "tensorboard" / "validation", "top1") == [(1, 0.1), (2, 0.2), (3, 0.3)]


def test_a_resumed_run_has_the_epochs_before(tmp_path: Path) -> None:
    with Tracking(tmp_path, CONFIG, ROWS[:2]) as tracking:
        tracking.epoch(ROWS[2])
    assert [step for step, _ in scalars(tmp_path / "tensorboard" / "train", "loss")] == [1, 2, 3]


@pytest.fixture
def mlflow_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "cars")
    return tmp_path / "mlruns"


@pytest.mark.slow
def test_mlflow_has_settings_figures_and_how_it_ended(tmp_path: Path, mlflow_store: Path) -> None:
    with pytest.raises(RuntimeError, match="stopped"), Tracking(tmp_path / "a", CONFIG) as first:
        first.epoch(ROWS[0])
        raise RuntimeError("stopped")
    import mlflow

    client = mlflow.MlflowClient(mlflow_store.as_uri())
    run_id = first.ids["MLFLOW_TRACKING_URI"]
    assert client.get_run(run_id).info.status == "FAILED"
    with Tracking(tmp_path / "b", CONFIG, ROWS[:1], first.ids) as second:
        assert second.ids == first.ids
        assert client.get_run(run_id).info.status == "RUNNING"
        for row in ROWS[1:]:
            second.epoch(row)
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {name: str(value) for name, value in dataclasses.asdict(CONFIG).items()}
    assert [(each.step, each.value) for each in client.get_metric_history(run_id, "val_loss")] == [(1, 3.0), (2, 1.5), (3, 1.0)]
    assert [experiment.name for experiment in client.search_experiments() if experiment.name != "Default"] == ["cars"]


@pytest.mark.slow
def test_a_service_first_asked_for_by_a_resumed_run_has_the_epochs_before(tmp_path: Path, mlflow_store: Path) -> None:
    with Tracking(tmp_path, CONFIG, ROWS[:2]) as tracking:
        tracking.epoch(ROWS[2])
    import mlflow

    client = mlflow.MlflowClient(mlflow_store.as_uri())
    history = client.get_metric_history(tracking.ids["MLFLOW_TRACKING_URI"], "loss")
    assert [each.step for each in history] == [1, 2, 3]


@pytest.mark.slow
def test_a_service_that_goes_away_costs_a_warning(tmp_path: Path, mlflow_store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Tracking(tmp_path / "a", CONFIG) as tracking:
        tracking.epoch(ROWS[0])
        shutil.rmtree(mlflow_store)
        tracking.epoch(ROWS[1])
        assert "MLFLOW_TRACKING_URI: epoch 2 is not in its charts, training goes on: " in capsys.readouterr().err
    assert "MLFLOW_TRACKING_URI: the run's end was not reported: " in capsys.readouterr().err
    with Tracking(tmp_path / "b", CONFIG, ROWS[:2], tracking.ids) as resumed:
        resumed.epoch(ROWS[2])
    assert "this run's epochs will not be in its charts, training goes on: " in capsys.readouterr().err
    assert resumed.ids == tracking.ids
    assert [step for step, _ in scalars(tmp_path / "b" / "tensorboard" / "train", "loss")] == [1, 2, 3]


@pytest.mark.parametrize("answers", ["no connection", "silence"])
@pytest.mark.slow
def test_a_service_that_does_not_answer_ends_the_run_at_the_start(
    answers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if answers == "no connection":
            server.close()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://somebody:secret@127.0.0.1:{port}")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
        with pytest.raises(UserError, match="MLFLOW_TRACKING_URI: expected a service that answers, received: ") as raised:
            Tracking(tmp_path, CONFIG)
    assert "secret" not in str(raised.value)


def test_one_of_several_processes_tells_no_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with Tracking(tmp_path, CONFIG, services=False) as tracking:
        tracking.epoch(ROWS[0])
    assert tracking.ids == {}


def wandb_process(script: str, folder: Path, **environment: str) -> str:
    """What a fresh process prints: W&B starts threads and a service, which outlive a test. All its files go to `folder`."""
    (folder / "runs").mkdir()
    given = {"HOME": str(folder), "WANDB_DIR": str(folder / "runs"), "WANDB_PROJECT": "cars", **environment}
    lines = [
        "from pathlib import Path",
        "from components.common.errors import UserError",
        "from components.train.config import TrainConfig",
        "from components.train.tracking import Tracking, wandb",
        f"folder, rows = Path({str(folder)!r}), {ROWS!r}",
        script,
    ]
    return subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=300,
        env={**os.environ, **given},
    ).stdout


@pytest.mark.slow
def test_wandb_offline_writes_a_run_and_goes_on_with_it(tmp_path: Path) -> None:
    script = """
with Tracking(folder / "a", TrainConfig()) as first:
    first.epoch(rows[0])
with Tracking(folder / "b", TrainConfig(), rows[:1], first.ids) as second:
    for row in rows[1:]:
        second.epoch(row)
print(first.ids["WANDB_PROJECT"], second.ids["WANDB_PROJECT"])"""
    first, second = wandb_process(script, tmp_path, WANDB_MODE="offline").split()
    assert first == second
    before, after = sorted((path.read_bytes() for path in tmp_path.rglob(f"run-{first}.wandb")), key=lambda run: b"1.5" in run)
    assert b"label_smoothing" in before
    assert b"val_top1" in before
    assert str(ROWS[0]["val_top1"]).encode() in before
    assert str(ROWS[2]["val_top1"]).encode() in after


@pytest.mark.slow
def test_wandb_that_does_not_answer_ends_the_run_at_the_start(tmp_path: Path) -> None:
    script = """
wandb.SETTINGS["init_timeout"] = 1
try:
    Tracking(folder, TrainConfig())
except UserError as error:
    print(error)"""
    said = wandb_process(script, tmp_path, WANDB_BASE_URL="http://127.0.0.1:9", WANDB_API_KEY="5ec2e7" * 8, WANDB_MODE="online")
    assert "WANDB_PROJECT: expected a service that answers, received: " in said
    assert "5ec2e7" not in said


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_PROJECT", "cars")
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UserError, match=r"WANDB_PROJECT: expected the package wandb; pip install 'marque\[tracking\]'"):
        Tracking(tmp_path, CONFIG)
