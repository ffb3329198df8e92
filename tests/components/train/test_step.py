"""The train step on tiny records: what it writes, what it learns, what it refuses."""

import csv
import dataclasses
import functools
import http.server
import json
import re
import shutil
import threading
from pathlib import Path

import keras
import numpy as np
import pytest

from components.common.errors import UserError
from components.common.records import open_records
from components.train import history
from components.train.config import TrainConfig
from components.train.distribution import Group
from components.train.models import build
from components.train.reader import Reader
from components.train.step import run
from components.train.training import Training

TINY = TrainConfig(backbone="MobileNetV2-0.35", weights="none", batchnorm="trained", image_px=32, epochs=1, batch=8, augment="none")


def test_what_is_written(toy_model: Path) -> None:
    config = json.loads((toy_model / "config.json").read_text())
    assert config["backbone"] == "MobileNetV2-0.35"
    assert len(config["classes"]) == 3
    with (toy_model / "history.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert {"loss", "val_loss", "val_top1", "val_iou", "images_per_s"} <= set(rows[0])
    assert all(np.isfinite(float(value)) for row in rows for value in row.values())
    model = keras.models.load_model(toy_model / "model.keras", compile=False)
    assert model.input_shape == (None, 32, 32, 3)


def test_the_best_epoch_is_kept(toy_model: Path, toy_records: list[Path]) -> None:
    with (toy_model / "history.csv").open() as handle:
        best = min(csv.DictReader(handle), key=lambda row: float(row["val_loss"]))
    model = keras.models.load_model(toy_model / "model.keras", compile=False)
    right, seen = 0, 0
    with Reader(open_records(toy_records), TINY) as reader:
        for photos, truth in reader.validation("validation"):
            answer = model(photos, training=False)
            right += int(np.sum(np.argmax(answer["logits"], axis=1) == np.argmax(truth["logits"], axis=1)))
            seen += len(photos)
    assert right / seen == pytest.approx(float(best["val_top1"]), abs=1e-6)


@pytest.mark.slow
def test_a_small_set_is_learned(toy_records: list[Path], tmp_path: Path) -> None:
    config = dataclasses.replace(TINY, image_px=64, epochs=60, learning_rate=3e-3, dropout=0.0)
    run(toy_records, tmp_path, config)
    with (tmp_path / "history.csv").open() as handle:
        last = list(csv.DictReader(handle))[-1]
    assert float(last["top1"]) >= 0.9
    assert float(last["iou"]) >= 0.7


@pytest.mark.slow
def test_the_default_policy_is_written_down(toy_records: list[Path], tmp_path: Path) -> None:
    run(toy_records, tmp_path, dataclasses.replace(TINY, augment="auto"))
    assert json.loads((tmp_path / "config.json").read_text())["augment"] in ("imgaug", "graph")


@pytest.mark.slow
def test_skipped_records_are_listed(toy_records: list[Path], tmp_path: Path) -> None:
    folders = [Path(shutil.copytree(folder, tmp_path / folder.name)) for folder in toy_records]
    shard = open_records(folders).shards["train"][0]
    shard.write_bytes(shard.read_bytes()[:-9])
    with pytest.raises(UserError, match=rf"{shard.name}: record \d+ is damaged or cut off"):
        run(folders, tmp_path / "model", TINY)
    run(folders, tmp_path / "model", dataclasses.replace(TINY, damaged="skip", epochs=3))
    assert shard.name in (tmp_path / "model" / "skipped.txt").read_text()


@pytest.mark.slow
def test_weights_come_from_a_bucket(toy_records: list[Path], tmp_path: Path, gcs: str) -> None:
    from components.common.buckets import upload

    backbone = keras.applications.MobileNetV2(alpha=0.35, include_top=False, weights=None, input_shape=(32, 32, 3))
    backbone.save_weights(tmp_path / "backbone.weights.h5")
    upload(tmp_path / "backbone.weights.h5", f"gs://{gcs}/w/backbone.weights.h5")
    run(toy_records, tmp_path / "model", dataclasses.replace(TINY, weights=f"gs://{gcs}/w/backbone.weights.h5"))
    assert (tmp_path / "model" / "model.keras").is_file()


def test_missing_weights_are_refused(toy_records: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.weights\.h5"):
        run(toy_records, tmp_path, dataclasses.replace(TINY, weights="nowhere.weights.h5"))


@pytest.mark.slow
def test_a_run_that_diverges_is_told_and_leaves_nothing(toy_records: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="learning_rate: training diverged in epoch"):
        run(toy_records, tmp_path / "model", dataclasses.replace(TINY, learning_rate=10.0, weight_decay=1.0, epochs=20))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_steps_are_shown_as_they_are_done(
    toy_records: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(history, "STEP_LINE_EVERY_S", 0.0)
    run(toy_records, tmp_path / "model", dataclasses.replace(TINY, backbone="hidden"))
    shown = re.findall(r"epoch 1/1, step (\d+)/(\d+)", capsys.readouterr().err)
    assert [int(step) for step, _ in shown] == list(range(1, int(shown[0][1]) + 1))


def test_more_accumulated_than_there_is_is_refused(toy_records: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="accumulate: expected at most the run's [0-9]+ steps, received 1000"):
        run(toy_records, tmp_path / "model", dataclasses.replace(TINY, accumulate=1000))


def test_a_run_of_no_finite_validation_keeps_nothing() -> None:
    config = dataclasses.replace(TINY, backbone="hidden")
    with pytest.raises(UserError, match="validation: expected a finite loss in at least one epoch"):
        Training(build(config, 2), config, 1, Group()).finish()


@pytest.mark.slow
def test_secrets_of_an_address_are_not_written_down(toy_records: list[Path], tmp_path: Path) -> None:
    backbone = keras.applications.MobileNetV2(alpha=0.35, include_top=False, weights=None, input_shape=(32, 32, 3))
    backbone.save_weights(tmp_path / "backbone.weights.h5")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"127.0.0.1:{server.server_port}/backbone.weights.h5"
        run(toy_records, tmp_path / "model", dataclasses.replace(TINY, weights=f"http://user:hidden@{address}?signature=hidden"))
        server.shutdown()
    assert json.loads((tmp_path / "model" / "config.json").read_text())["weights"] == f"http://{address}"
    assert not [path for path in (tmp_path / "model").rglob("*") if path.is_file() and b"hidden" in path.read_bytes()]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"backbone": "VGG11"}, "backbone: expected one of"),
        ({"batchnorm": "on"}, "batchnorm: expected frozen or trained, received 'on'"),
        ({"batchnorm": "frozen"}, "expected trained with weights none"),
        ({"image_px": 8}, "image_px: expected 32 or more with backbone MobileNetV2-0.35, received 8"),
        ({"epochs": 0}, r"epochs: expected 1 to 1e\+06, received 0"),
        ({"learning_rate": float("nan")}, "learning_rate: expected"),
        ({"strength": 1.5}, "strength: expected 0 to 1, received 1.5"),
        ({"temperature": 0.5}, "temperature: expected 1 to 1e"),
        ({"sampling": "random"}, "sampling: expected uniform, natural or temperature, received 'random'"),
        ({"augment": "fast"}, "augment: expected auto, none, seed, imgaug or graph, received 'fast'"),
        ({"damaged": "ignore"}, "damaged: expected stop or skip, received 'ignore'"),
        ({"augment": "imgaug", "randaugment": 2}, "randaugment: expected augment graph with it, received imgaug"),
        ({"seed": -1}, "seed: expected 0 to"),
        ({"metric_loss": "proxy"}, "embedding: expected a size .* with metric_loss proxy, received 0"),
        ({"embedding": 8}, "metric_loss: expected contrastive or proxy with embedding 8, received none"),
        ({"ema": 0.9, "swa": 0.5}, "swa: expected 0 with ema 0.9"),
        ({"swa": 0.1, "patience": 3}, "patience: expected 0 with swa 0.1"),
        ({"batch": 9, "photos_per_class": 2}, "batch: expected a multiple of photos_per_class 2, received 9"),
    ],
)
def test_wrong_settings_are_refused(setting: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        dataclasses.replace(TINY, **setting)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epoch": 3}, "training settings: expected one of backbone, .*, received 'epoch'"),
        ({"epochs": "three"}, "epochs: expected a whole number, received 'three'"),
        ({"epochs": 2.5}, "epochs: expected a whole number, received 2.5"),
        ({"epochs": True}, "epochs: expected a whole number, received True"),
        ({"dropout": "nan"}, "dropout: expected a number, received 'nan'"),
        ({"xla": "yes"}, "xla: expected true or false, received 'yes'"),
        ({"backbone": 3}, "backbone: expected text, received 3"),
    ],
)
def test_settings_of_the_wrong_type_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        TrainConfig.of(settings)


def test_settings_come_as_text_or_as_kfp_gives_them() -> None:
    given = {"epochs": 3.0, "dropout": "0.5", "xla": "True", "deterministic": False, "batch": "64"}
    config = TrainConfig.of(given)
    assert (config.epochs, config.dropout, config.xla, config.deterministic, config.batch) == (3, 0.5, True, False, 64)
    assert TrainConfig.of(dataclasses.asdict(config)) == config
