"""A published version's evaluation, training records and request logs, made of drawn scenes whose looks are known."""

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from PIL import Image, ImageFilter
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from components.common.evaluation import IN_SAVED_MODEL
from components.common.example import SCHEMA, encode, shard_name
from components.monitor.logs import Answered

CLASSES = [f"Make{number // 4} Model {number} 2012" for number in range(8)]
WIDTH, HEIGHT = 96, 72


def scene(rng: np.random.Generator, *, darker: float = 0.0, blurred: bool = False) -> bytes:
    """Rectangles on a plain ground, of a brightness and contrast that vary from photo to photo, as a JPEG."""
    light, contrast = rng.normal(115, 20), rng.uniform(25, 60)
    photo = np.full((HEIGHT, WIDTH), light)
    for _ in range(rng.integers(6, 14)):
        x, y = rng.integers(0, WIDTH - 8), rng.integers(0, HEIGHT - 8)
        photo[y : y + rng.integers(6, 30), x : x + rng.integers(6, 30)] = light + rng.normal(0, contrast)
    image = Image.fromarray((photo.clip(10, 245) * (1 - darker)).astype(np.uint8)).convert("RGB")
    if blurred:
        image = image.filter(ImageFilter.GaussianBlur(3))
    content = io.BytesIO()
    image.save(content, "JPEG", quality=90)
    return content.getvalue()


def answers(
    seed: int, photos: int, *, classes: Sequence[int] = range(8), box_side: float = 1.0, darker: float = 0.0, blurred: bool = False
) -> list[Answered]:
    """Photos of `classes` in equal shares, with confidence and boxes as in the reference unless said otherwise."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(photos):
        width, height = (side * box_side * rng.uniform(0.5, 0.9) for side in (WIDTH, HEIGHT))
        box = (2.0, 3.0, 2 + float(width), 3 + float(height))
        label = CLASSES[rng.choice(list(classes))]
        found.append(Answered(scene(rng, darker=darker, blurred=blurred), label, float(rng.beta(6, 2)), box, None, 1_795_000_000))
    return found


def log_of(photos: Sequence[Answered], version: int = 3) -> PredictionLog:
    """One request and its answer, as TF Serving logs them."""
    log = PredictionLog()
    log.log_metadata.timestamp_secs = photos[0].seconds
    log.predict_log.request.model_spec.name = "marque"
    log.predict_log.request.inputs["jpeg"].CopyFrom(tf.make_tensor_proto([photo.photo for photo in photos], tf.string))
    response = log.predict_log.response
    response.model_spec.version.value = version
    other = CLASSES[0]
    tensors = {
        "labels": np.array([[photo.label, other] for photo in photos], object),
        "scores": np.array([[photo.score, 1 - photo.score] for photo in photos], np.float32),
        "boxes": np.array([photo.box for photo in photos], np.float32),
    }
    for name, values in tensors.items():
        response.outputs[name].CopyFrom(tf.make_tensor_proto(values))
    return log


def write_log(path: Path, photos: Sequence[Answered], version: int = 3, together: int = 3) -> Path:
    """A log file; requests of 1 to `together` photos, one after the other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rest, size = list(photos), 0
    with tf.io.TFRecordWriter(str(path)) as writer:
        while rest:
            size = size % together + 1
            writer.write(log_of(rest[:size], version).SerializeToString())
            rest = rest[size:]
    return path


@pytest.fixture(scope="session")
def version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`<repository>/marque/3` with nothing but what deploy publishes of its evaluation, of 400 test photos."""
    folder = tmp_path_factory.mktemp("repository") / "marque" / "3"
    rng = np.random.default_rng(1)
    n = 400
    sides = rng.uniform(0.5, 0.9, (n, 2)) * [WIDTH, HEIGHT]
    columns = {
        "predicted": rng.integers(0, 8, n).astype(np.int32),
        "score": rng.beta(6, 2, n).astype(np.float32),
        "predicted_x1": np.full(n, 2, np.float32),
        "predicted_y1": np.full(n, 3, np.float32),
        "predicted_x2": (2 + sides[:, 0]).astype(np.float32),
        "predicted_y2": (3 + sides[:, 1]).astype(np.float32),
        "width": np.full(n, WIDTH, np.int32),
        "height": np.full(n, HEIGHT, np.int32),
    }
    (folder / IN_SAVED_MODEL).mkdir(parents=True)
    table = pa.table(columns).replace_schema_metadata({"classes": json.dumps(CLASSES)})
    pq.write_table(table, folder / IN_SAVED_MODEL / "predictions.parquet")
    (folder / IN_SAVED_MODEL / "metrics.json").write_text(json.dumps({"schema": "marque.metrics/2", "model": "this model"}))
    return folder


@pytest.fixture(scope="session")
def training_records(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """500 training photos in two folders, a shard each."""
    folders = [tmp_path_factory.mktemp("records") / f"part{task}" for task in range(2)]
    rng = np.random.default_rng(2)
    for task, folder in enumerate(folders):
        folder.mkdir()
        name = shard_name("train", task, 2)
        with tf.io.TFRecordWriter(str(folder / name)) as writer:
            for number in range(250):
                box = np.array([2, 3, 50, 60], np.float32)
                writer.write(encode(scene(rng), f"{number}.jpg", 0, CLASSES[0], box, WIDTH, HEIGHT))
        info = {"schema": SCHEMA, "classes": CLASSES, "shards": {name: {"split": "train"}}}
        (folder / "records.json").write_text(json.dumps(info))
    return folders


@pytest.fixture
def make_log(tmp_path: Path) -> Callable[..., Path]:
    """Writes a log of one file and returns its folder."""

    def make(photos: Sequence[Answered], **options: int) -> Path:
        write_log(tmp_path / "logs" / "marque" / "20261124T000000Z-1-1.tfrecord", photos, **options)
        return tmp_path / "logs"

    return make
