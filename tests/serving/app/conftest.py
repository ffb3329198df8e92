"""What the app shows, small and real: the toy set, two versions of a tiny model with their evaluations, and labels."""

import json
import shutil
from pathlib import Path

import pytest
import tensorflow as tf

from components.common.dataset import open_dataset
from components.common.evaluation import PUBLISHED
from components.common.repository import CONFIG
from components.evaluate.gate import Demands
from components.evaluate.step import run as evaluate
from serving.app.sources import Sources

MODELS_CONFIG = """
model_config_list {{
  config {{
    name: "marque" base_path: "{folder}/marque" model_platform: "tensorflow"
    model_version_policy {{ specific {{ versions: 1 versions: 2 }} }}
    version_labels {{ key: "stable" value: 1 }} version_labels {{ key: "canary" value: 2 }}
  }}
}}
"""


class ByBrightness(tf.Module):
    """Orders the classes by one number of the photo, its mean brightness; sees the car in the middle `share` of the photo."""

    def __init__(self, classes: list[str], share: float):
        super().__init__()
        self.names = tf.constant(classes)
        self.box = tf.constant([0.5 - share / 2, 0.5 - share / 2, 0.5 + share / 2, 0.5 + share / 2])

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="jpeg")])
    def serve(self, jpeg: tf.Tensor) -> dict[str, tf.Tensor]:
        brightness, sizes = tf.map_fn(self._look, jpeg, fn_output_signature=(tf.float32, tf.float32))
        classes = len(self.names)
        middles = 60.0 + 120.0 * tf.range(classes, dtype=tf.float32) / classes
        scores, order = tf.math.top_k(tf.nn.softmax(-tf.abs(brightness[:, None] - middles) / 20), k=min(5, classes))
        return {"labels": tf.gather(self.names, order), "scores": scores, "boxes": tf.tile(sizes, [1, 2]) * self.box}

    def _look(self, jpeg: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        photo = tf.cast(tf.io.decode_jpeg(jpeg, channels=3), tf.float32)
        return tf.reduce_mean(photo), tf.cast(tf.shape(photo)[1::-1], tf.float32)


@pytest.fixture(scope="session")
def sources(toy_dataset: Path, toy_records: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """Dataset, repository with versions 1 (stable) and 2 (canary), and the evaluation of version 2 with its report; no server."""
    folder = tmp_path_factory.mktemp("app")
    classes = open_dataset(toy_dataset).classes
    for version, share in ((1, 0.5), (2, 0.8)):
        saved_model = folder / "models" / "marque" / str(version)
        model = ByBrightness(classes, share)
        tf.saved_model.save(model, str(saved_model), signatures={"serving_default": model.serve})
        (saved_model / "assets.extra").mkdir()
        (saved_model / "assets.extra" / "classes.json").write_text(json.dumps(classes), "utf-8")
        evaluation = folder / f"evaluation-{version}"
        evaluate(saved_model, toy_records, evaluation, demands=Demands(min_top1=0, min_mean_iou=0), dataset=toy_dataset)
        for name, place in PUBLISHED.items():
            (saved_model / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(evaluation / name, saved_model / place)
    (folder / "models" / CONFIG).write_text(MODELS_CONFIG.format(folder=folder / "models"), "utf-8")
    return Sources(dataset=str(toy_dataset), evaluation=str(folder / "evaluation-2"), repository=str(folder / "models"))
