"""What TensorBoard, MLflow and Weights & Biases are told: read back through their own readers, offline."""

import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

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


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_mlflow_has_settings_figures_and_how_it_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri := (tmp_path / "mlruns").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "cars")
    with pytest.raises(RuntimeError, match="stopped"), Tracking(tmp_path / "a", CONFIG) as first:
        first.epoch(ROWS[0])
        raise RuntimeError("stopped")
    client = mlflow.MlflowClient(uri)
    run_id = first.ids["MLFLOW_TRACKING_URI"]
    assert client.get_run(run_id).info.status == "FAILED"
    with Tracking(tmp_path / "b", CONFIG, ROWS[:1], first.ids) as second:
        assert second.ids == first.ids
        for row in ROWS[1:]:
            second.epoch(row)
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["seed"] == "7"
    assert [(each.step, each.value) for each in client.get_metric_history(run_id, "val_loss")] == [(1, 3.0), (2, 1.5), (3, 1.0)]
    assert [experiment.name for experiment in client.search_experiments() if experiment.name != "Default"] == ["cars"]


@pytest.mark.slow
def test_wandb_offline_writes_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"WANDB_PROJECT": "cars", "WANDB_MODE": "offline", "WANDB_DIR": str(tmp_path / "w")}.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "w").mkdir()
    script = (
        "from pathlib import Path; from components.train.config import TrainConfig; from components.train.tracking import Tracking\n"
        f"with Tracking(Path({str(tmp_path)!r}), TrainConfig()) as tracking:\n"
        f"    for row in {ROWS!r}: tracking.epoch(row)\n"
        "print(tracking.ids['WANDB_PROJECT'])"
    )
    said = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=300)
    run_id = said.stdout.split()[-1]
    (written,) = (tmp_path / "w").rglob(f"run-{run_id}.wandb")
    content = written.read_bytes()
    assert b"val_top1" in content
    assert b"label_smoothing" in content


def test_a_service_that_does_not_answer_is_told_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://localhost:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(UserError, match="MLFLOW_TRACKING_URI: expected a service that answers"):
        Tracking(tmp_path, CONFIG)


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_PROJECT", "cars")
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UserError, match=r"WANDB_PROJECT: expected the package wandb; pip install 'marque\[tracking\]'"):
        Tracking(tmp_path, CONFIG)
