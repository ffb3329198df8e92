"""Small SavedModels that keep export's contract, some of them with a fault, and their evaluations on a few photos of one colour."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from components.common.evaluation import SCHEMA
from components.common.fingerprint import fingerprint
from components.common.records import open_records
from components.evaluate import predictions
from components.evaluate.answers import Clock, ask
from components.evaluate.predict import load_servable
from tests.components.evaluate.conftest import COLOURS, MIDDLE, ColourModel, Photo, save_records

CLASSES = ["Ruby 2001", "Emerald 2002", "Azure 2003"]
SLOW_ROUNDS = 200


class FaultyModel(ColourModel):
    """`fails` refuses photos whose strongest colour is blue; `slow` takes a few hundred milliseconds over each request; `shift`
    moves the box to the right, in pixels; `name` makes a model unlike any other."""

    def __init__(self, name: str, *, classes: Sequence[str] = CLASSES, fails: bool = False, slow: bool = False, shift: float = 0.0):
        super().__init__(classes)
        self.label = tf.constant(name)
        self.fails, self.slow, self.shift = fails, slow, shift

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="jpeg")])
    def serve(self, jpeg: tf.Tensor) -> dict[str, tf.Tensor]:
        answer = super().serve(jpeg)
        checks = [tf.ensure_shape(self.label, [])]
        if self.fails:
            checks.append(tf.debugging.assert_none_equal(answer["labels"][:, 0], self.names[2], message="no blue photos here"))
        if self.slow:
            matrix = tf.random.stateless_uniform([400, 400], [1, 2])
            turned = tf.while_loop(lambda i, m: i < SLOW_ROUNDS, lambda i, m: (i + 1, tf.tanh(m @ m)), [0, matrix])[1]
            checks.append(turned)
        with tf.control_dependencies(checks):
            return {**answer, "boxes": answer["boxes"] + [[self.shift, 0.0, self.shift, 0.0]]}


def save(folder: Path, name: str = "a model", **options: Any) -> Path:
    """A SavedModel of `FaultyModel`, whose files differ by `name`."""
    model = FaultyModel(name, **options)
    tf.saved_model.save(model, str(folder), signatures={"serving_default": model.serve})
    (folder / "assets.extra").mkdir()
    (folder / "assets.extra" / "classes.json").write_text(json.dumps(list(options.get("classes", CLASSES))), "utf-8")
    return folder


def evaluate(folder: Path, saved_model: Path, records: Path, like: Path | None = None) -> Path:
    """What validate and deploy take from an evaluation of `saved_model`; its predictions are those of `like` where given."""
    folder.mkdir(parents=True)
    servable = load_servable(like or saved_model)
    answers = ask(servable, open_records([records]), "test", 5, Clock())
    predictions.write(folder / "predictions.parquet", answers, servable.classes)
    metrics = {"schema": SCHEMA, "split": "test", "top1": 0.9, "mean_iou": 0.8, "blessed": True, "reasons": []}
    (folder / "metrics.json").write_text(json.dumps({**metrics, "model": fingerprint(saved_model)}), "utf-8")
    for card in ("model_card.md", "model_card.json"):
        (folder / card).write_text("{}", "utf-8")
    return folder


@pytest.fixture(scope="session")
def photo_records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve test photos of three colours and various sizes."""
    colours = list(COLOURS)
    photos = [Photo(i % 3, colours[i % 3], MIDDLE, 40 + 4 * i, 32, f"{i:02d}.jpg") for i in range(12)]
    return save_records(tmp_path_factory.mktemp("records") / "records", photos, CLASSES)


@pytest.fixture(scope="session")
def good_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("good") / "saved")


@pytest.fixture(scope="session")
def good_evaluation(good_model: Path, photo_records: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return evaluate(tmp_path_factory.mktemp("evaluation") / "evaluation", good_model, photo_records)
