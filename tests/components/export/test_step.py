"""The exported SavedModel: its signature, the same pixels as training, what lies beside it."""

import io
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import prediction_log_pb2

from components.common import pixels
from components.common.errors import UserError
from components.common.records import open_records
from components.export.step import run


@pytest.fixture(scope="module")
def saved_model(toy_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "saved_model"
    run(toy_model, folder)
    return folder


def jpeg(size: tuple[int, int], mode: str = "RGB", kind: str = "JPEG") -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    stored = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(stored, kind)
    return stored.getvalue()


@pytest.mark.slow
def test_photos_of_any_size_in_one_request(saved_model: Path, toy_model: Path) -> None:
    serve = tf.saved_model.load(str(saved_model)).signatures["serving_default"]
    sizes = [(40, 30), (300, 500), (33, 1)]
    answer = serve(jpeg=tf.constant([*(jpeg(size) for size in sizes), jpeg((50, 60), "L"), jpeg((20, 20), "RGB", "PNG")]))
    assert answer["labels"].shape == (5, 3)
    scores = answer["scores"].numpy()
    assert (np.diff(scores, axis=1) <= 0).all()
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
    for (width, height), (x1, y1, x2, y2) in zip(sizes, answer["boxes"].numpy(), strict=False):
        assert 0 <= x1 < x2 <= width
        assert 0 <= y1 < y2 <= height
    assert {label.decode() for label in answer["labels"].numpy()[0]} == set(
        json.loads((toy_model / "config.json").read_text())["classes"]
    )


@pytest.mark.slow
def test_a_session_runs_it_as_tf_serving_does(saved_model: Path) -> None:
    """TF Serving restores the variables by the graph's own operation and knows nothing of Python's objects."""
    photos = [jpeg((200, 150)), jpeg((30, 40))]
    answer = tf.saved_model.load(str(saved_model)).signatures["serving_default"](jpeg=tf.constant(photos))
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        signature = tf.compat.v1.saved_model.loader.load(session, ["serve"], str(saved_model)).signature_def["serving_default"]
        names = {name: info.name for name, info in signature.outputs.items()}
        served = session.run(names, {signature.inputs["jpeg"].name: photos})
    assert served["labels"].tolist() == answer["labels"].numpy().tolist()
    for name in ("scores", "boxes"):
        np.testing.assert_allclose(served[name], answer[name].numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_the_signature_answers_as_the_trained_model_on_the_pixels_of_training(
    saved_model: Path, toy_model: Path, toy_records: list[Path]
) -> None:
    serve = tf.saved_model.load(str(saved_model)).signatures["serving_default"]
    model = keras.models.load_model(toy_model / "model.keras", compile=False)
    classes = json.loads((saved_model / "assets.extra" / "classes.json").read_text())
    for example in list(open_records(toy_records).examples("test"))[:3]:
        answer = serve(jpeg=tf.constant([example["jpeg"]]))
        direct = model(pixels.load(tf.constant(example["jpeg"]), 32)[None])
        scores = tf.nn.softmax(direct["logits"]).numpy()[0]
        assert answer["labels"].numpy()[0, 0].decode() == classes[int(scores.argmax())]
        np.testing.assert_allclose(answer["scores"].numpy()[0, 0], scores.max(), atol=1e-5)
        width, height = example["size"]
        expected = np.clip(direct["box"].numpy()[0], 0, 1) * [width, height, width, height]
        np.testing.assert_allclose(answer["boxes"].numpy()[0], expected, atol=1e-3)


def test_warm_up_requests_can_be_answered(saved_model: Path) -> None:
    serve = tf.saved_model.load(str(saved_model)).signatures["serving_default"]
    logs = list(tf.data.TFRecordDataset(str(saved_model / "assets.extra" / "tf_serving_warmup_requests")).as_numpy_iterator())
    assert logs
    for log in logs:
        request = prediction_log_pb2.PredictionLog.FromString(log).predict_log.request
        assert request.model_spec.name == "marque"
        assert serve(jpeg=tf.constant(tf.make_ndarray(request.inputs["jpeg"])))["boxes"].shape[1] == 4


@pytest.mark.slow
def test_it_needs_nothing_but_tensorflow(saved_model: Path, tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(jpeg((64, 48)))
    script = (
        "import sys, tensorflow as tf\n"
        "serve = tf.saved_model.load(sys.argv[1]).signatures['serving_default']\n"
        "print(serve(jpeg=tf.constant([open(sys.argv[2], 'rb').read()]))['boxes'].shape)\n"
        "assert not any(name.startswith('components') for name in sys.modules)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, str(saved_model), str(photo)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "(1, 4)"


@pytest.mark.slow
def test_what_was_there_is_replaced(toy_model: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / "stale").write_text("")
    with pytest.raises(UserError, match=r"expected an empty folder, or an earlier one with saved_model\.pb, found other files"):
        run(toy_model, output)
    (output / "saved_model.pb").write_text("")
    run(toy_model, output)
    assert (output / "saved_model.pb").is_file()
    assert not (output / "stale").exists()


def test_a_model_of_other_classes_is_refused(toy_model: Path, tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes((toy_model / "model.keras").read_bytes())
    (tmp_path / "config.json").write_text('{"classes": ["a", "b"]}')
    with pytest.raises(UserError, match="expected a model of 2 classes"):
        run(tmp_path, tmp_path / "out")


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected model\.keras and config\.json written by train"):
        run(tmp_path, tmp_path / "out")
    (tmp_path / "config.json").write_text('{"classes": ["a"]}')
    (tmp_path / "model.keras").write_bytes(b"no zip")
    with pytest.raises(UserError, match=r"expected model\.keras"):
        run(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
