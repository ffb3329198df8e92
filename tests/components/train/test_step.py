"""The train step on tiny records: what it writes, what it learns, what it refuses."""

import csv
import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import pytest

from components.common.errors import UserError
from components.common.records import open_records
from components.train.config import TrainConfig
from components.train.reader import training_batches, validation_batches
from components.train.step import run

TINY = TrainConfig(backbone="MobileNetV2-0.35", weights="none", batchnorm="trained", image_px=32, epochs=1, batch=8)


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
    for photos, truth in validation_batches(open_records(toy_records), "validation", batch=4, image_px=32):
        answer = model(photos, training=False)
        right += int(np.sum(np.argmax(answer["logits"], axis=1) == truth["logits"].numpy()))
        seen += len(photos)
    assert right / seen == pytest.approx(float(best["val_top1"]), abs=1e-6)


@pytest.mark.slow
def test_a_small_set_is_learned(toy_records: list[Path], tmp_path: Path) -> None:
    config = dataclasses.replace(TINY, image_px=64, epochs=60, learning_rate=3e-3, crop=0.0, color=0.0, dropout=0.0)
    run(toy_records, tmp_path, config)
    with (tmp_path / "history.csv").open() as handle:
        last = list(csv.DictReader(handle))[-1]
    assert float(last["top1"]) >= 0.9
    assert float(last["iou"]) >= 0.7


def test_batches_are_balanced_and_the_same_from_any_step(toy_records: list[Path]) -> None:
    records = open_records(toy_records)
    reading = {"batch": 6, "image_px": 32, "seed": 3, "crop": 0.3, "color": 0.2}
    whole = list(training_batches(records, **reading).take(4))
    for photos, truth in whole:
        assert photos.dtype == np.uint8
        assert photos.shape == (6, 32, 32, 3)
        assert np.bincount(truth["logits"]).tolist() == [2, 2, 2]
    resumed = list(training_batches(records, **reading, first_step=2).take(2))
    for (photos, truth), (again, truth_again) in zip(whole[2:], resumed, strict=True):
        np.testing.assert_array_equal(photos, again)
        np.testing.assert_array_equal(truth["box"], truth_again["box"])


def test_validation_visits_every_record_once(toy_records: list[Path]) -> None:
    records = open_records(toy_records)
    labels = np.concatenate([truth["logits"] for _, truth in validation_batches(records, "test", batch=4, image_px=32)])
    assert np.bincount(labels).tolist() == records.counts["test"]


@pytest.mark.slow
def test_weights_come_from_a_bucket(toy_records: list[Path], tmp_path: Path, gcs: str) -> None:
    from components.common.storage import upload

    backbone = keras.applications.MobileNetV2(alpha=0.35, include_top=False, weights=None, input_shape=(32, 32, 3))
    backbone.save_weights(tmp_path / "backbone.weights.h5")
    upload(tmp_path / "backbone.weights.h5", f"gs://{gcs}/w/backbone.weights.h5")
    run(toy_records, tmp_path / "model", dataclasses.replace(TINY, weights=f"gs://{gcs}/w/backbone.weights.h5"))
    assert (tmp_path / "model" / "model.keras").is_file()


def test_missing_weights_are_refused(toy_records: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.weights\.h5"):
        run(toy_records, tmp_path, dataclasses.replace(TINY, weights="nowhere.weights.h5"))


def test_a_run_that_diverges_is_told_and_leaves_nothing(toy_records: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="learning_rate: training diverged in epoch"):
        run(toy_records, tmp_path / "model", dataclasses.replace(TINY, learning_rate=10.0, weight_decay=1.0, epochs=20))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"backbone": "VGG16"}, "backbone: expected one of"),
        ({"batchnorm": "on"}, "batchnorm: expected frozen or trained, received 'on'"),
        ({"batchnorm": "frozen"}, "expected trained with weights none"),
        ({"image_px": 8}, "image_px: expected 32 to 1024, received 8"),
        ({"epochs": 0}, "epochs: expected 1 to inf, received 0"),
        ({"learning_rate": float("nan")}, "learning_rate: expected"),
        ({"crop": 1.0}, "crop: expected 0 to 0.9, received 1.0"),
        ({"seed": -1}, "seed: expected 0 to"),
    ],
)
def test_wrong_settings_are_refused(setting: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        dataclasses.replace(TINY, **setting)
