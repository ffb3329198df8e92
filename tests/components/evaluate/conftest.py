"""Tiny records and tiny SavedModels that keep the contracts of shard and export."""

import dataclasses
import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from PIL import Image

from components.common import boxes
from components.common.evaluation import SCHEMA
from components.common.example import SCHEMA as RECORDS_SCHEMA
from components.common.example import encode, shard_name
from components.common.index import write_index
from components.evaluate.answers import Answers
from components.evaluate.metrics import Figures
from components.evaluate.predictions import Predictions, read, reordered, write

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (30, 60, 220)}
MEAN_TRAIN_BOX = [0.1, 0.2, 0.9, 0.8]
MIDDLE = (0.25, 0.25, 0.75, 0.75)


@dataclass(frozen=True)
class Photo:
    """A photo of one colour, whatever its label says."""

    label: int
    colour: str
    box: tuple[float, float, float, float]
    width: int = 40
    height: int = 30
    file: str = ""

    def jpeg(self) -> bytes:
        content = io.BytesIO()
        Image.new("RGB", (self.width, self.height), COLOURS[self.colour]).save(content, "JPEG")
        return content.getvalue()


class ColourModel(tf.Module):
    """Answers the nearest colour, and the middle of the photo as the box; `poison` is added to every score."""

    def __init__(self, classes: Sequence[str], poison: float = 0.0):
        super().__init__()
        self.names = tf.constant(list(classes))
        self.colours = tf.constant([COLOURS[name] for name in COLOURS][: len(classes)], tf.float32)
        self.poison = poison

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="jpeg")])
    def serve(self, jpeg: tf.Tensor) -> dict[str, tf.Tensor]:
        def one(photo: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            pixels = tf.cast(tf.io.decode_jpeg(photo, channels=3), tf.float32)
            height, width = tf.unstack(tf.cast(tf.shape(pixels)[:2], tf.float32))
            return tf.reduce_mean(pixels, [0, 1]), tf.stack([width, height, width, height]) * tf.constant(MIDDLE)

        mean, box = tf.map_fn(one, jpeg, fn_output_signature=(tf.float32, tf.float32))
        distance = tf.reduce_mean((mean[:, None] - self.colours[None]) ** 2, -1)
        best = tf.math.top_k(tf.nn.softmax(-distance / 2000), min(5, len(self.colours)))
        return {"labels": tf.gather(self.names, best.indices), "scores": best.values + self.poison, "boxes": box}


def save_model(folder: Path, classes: Sequence[str], poison: float = 0.0) -> Path:
    model = ColourModel(classes, poison)
    tf.saved_model.save(model, str(folder), signatures={"serving_default": model.serve})
    (folder / "assets.extra").mkdir()
    (folder / "assets.extra" / "classes.json").write_text(json.dumps(list(classes)), "utf-8")
    return folder


def save_records(folder: Path, photos: Sequence[Photo], classes: Sequence[str], shards: int = 2) -> Path:
    """Writes `photos` as the test split."""
    folder.mkdir()
    names = [shard_name("test", i, shards) for i in range(shards)] if photos else []
    for number, name in enumerate(names):
        labels, lengths = [], []
        with tf.io.TFRecordWriter(str(folder / name)) as writer:
            for i, photo in list(enumerate(photos))[number::shards]:
                box = boxes.to_pixels(photo.box, photo.width, photo.height)
                file = photo.file or f"{i:03d}.jpg"
                example = encode(photo.jpeg(), file, photo.label, classes[photo.label], box, photo.width, photo.height)
                writer.write(example)
                labels.append(photo.label)
                lengths.append(len(example))
        write_index(folder / name, labels, lengths)
    counts = np.bincount([photo.label for photo in photos], minlength=len(classes)).tolist()
    info = {
        "schema": RECORDS_SCHEMA,
        "dataset": "tiny",
        "seed": 0,
        "classes": list(classes),
        "mean_train_box": MEAN_TRAIN_BOX,
        "counts": {"train": [0] * len(classes), "validation": [0] * len(classes), "test": counts},
        "shard_counts": {"train": 0, "validation": 0, "test": len(names)},
        "shards": {name: {"split": "test", "records": 0, "crc32c": ""} for name in names},
    }
    (folder / "records.json").write_text(json.dumps(info), "utf-8")
    return folder


@pytest.fixture(scope="session")
def classes() -> list[str]:
    return ["Ruby <script>alert('1')</script> 2001", "Emerald & Söhne $x$ 2002", "Azure 2003"]


@pytest.fixture(scope="session")
def colour_model(tmp_path_factory: pytest.TempPathFactory, classes: list[str]) -> Path:
    return save_model(tmp_path_factory.mktemp("model") / "saved", classes)


@pytest.fixture(scope="session")
def photos() -> list[Photo]:
    """Twelve photos: ten of their class's colour, two not; boxes of known IoU with the middle (1, .5 and 0)."""
    colours = list(COLOURS)
    known_boxes = [MIDDLE, (0.25, 0.25, 0.75, 0.5), (0.0, 0.0, 0.25, 0.25)]
    photos = [Photo(i % 3, colours[i % 3], known_boxes[i // 3 % 3], 40 + 4 * i, 32) for i in range(10)]
    return [*photos, Photo(0, "blue", MIDDLE, file="mistaken <b>.jpg"), Photo(1, "blue", MIDDLE)]


@pytest.fixture(scope="session")
def colour_records(tmp_path_factory: pytest.TempPathFactory, photos: list[Photo], classes: list[str]) -> Path:
    return save_records(tmp_path_factory.mktemp("records") / "records", photos, classes)


@pytest.fixture
def make_model(tmp_path: Path) -> Callable[..., Path]:
    return lambda *args, **kwargs: save_model(tmp_path / "made_model", *args, **kwargs)


@pytest.fixture
def make_records(tmp_path: Path) -> Callable[..., Path]:
    return lambda *args, **kwargs: save_records(tmp_path / "made_records", *args, **kwargs)


CARS = ["Audi A5 Coupe 2012", "Audi S5 Coupe 2012", "Ford GT Coupe 2006", "Ram C-V Cargo Van 2012", "Volvo 240 Sedan 1993"]


def made_predictions(seed: int, photos: int = 60, classes: Sequence[str] = CARS, skill: float = 0.6) -> Predictions:
    """Random photos, answered right in about `skill` of the cases; scores and IoU have ties, and the last class never occurs."""
    rng = np.random.default_rng(seed)
    known = max(len(classes) - 1, 1)
    labels = rng.integers(known, size=photos, dtype=np.int32)
    ranked = np.argsort(rng.random((photos, len(classes))), axis=1)
    hit = rng.random(photos) < skill
    best = np.where(hit, labels, ranked[:, 0]).astype(np.int32)
    ranks = np.where(best == labels, 0, 1 + rng.integers(0, 6, photos)).astype(np.int32)
    sizes = np.stack([rng.integers(60, 200, photos), rng.integers(60, 200, photos)], axis=1).astype(np.int32)
    corner = rng.random((photos, 2)) * 0.3
    true = boxes.to_pixels(np.concatenate([corner, corner + 0.3 + 0.4 * rng.random((photos, 2))], axis=1), *sizes.T)
    found = boxes.clip(true + np.round(rng.normal(0, 8, (photos, 4))), *sizes.T)
    return Predictions(
        classes=list(classes),
        files=pa.chunked_array([[f"{i:05d}.jpg" for i in range(photos)]]),
        labels=labels,
        predicted=best,
        scores=(np.round(rng.random(photos) * 20) / 20).astype(np.float32),
        ranks=ranks,
        true_boxes=true,
        boxes=found,
        sizes=sizes,
        iou=boxes.iou(found, true),
    )


def only(predictions: Predictions, rows: NDArray[np.int64]) -> Predictions:
    """These photos, in this order, to be changed without changing the others."""
    return dataclasses.replace(reordered(predictions, rows), classes=list(predictions.classes))


def save_evaluation(folder: Path, predictions: Predictions) -> Path:
    """What a later model is compared with, as `evaluate` writes it."""
    folder.mkdir(parents=True)
    others = np.argsort(np.arange(len(predictions.classes)) != predictions.predicted[:, None], axis=1, kind="stable")
    answers = Answers(
        predictions.files.to_pylist(),
        predictions.labels,
        predictions.sizes,
        predictions.true_boxes,
        others.astype(np.int32),
        np.repeat(predictions.scores[:, None], others.shape[1], axis=1),
        predictions.boxes,
    )
    write(folder / "predictions.parquet", [answers], predictions.classes)
    figures = Figures(read(folder / "predictions.parquet"))(np.ones(len(predictions)))
    metrics = {"schema": SCHEMA, "split": "test", **figures, "intervals": {}, "model": "the champion"}
    metrics |= {"images_per_s": 100.0, "latency_ms": {"p50": 5.0, "p95": 9.0}}
    (folder / "metrics.json").write_text(json.dumps(metrics), "utf-8")
    return folder


def page_data(page: Path) -> dict[str, Any]:
    """What a page holds for its scripts."""
    found = re.search(r'<script type="application/json"[^>]*>(.*?)</script>', page.read_text("utf-8"), re.DOTALL)
    assert found is not None
    return json.loads(found[1])
