"""The export step: model.keras -> a SavedModel that TF Serving, and nothing but TensorFlow, can run.

Beside the model, `assets.extra/classes.json` holds the class names by id, and `assets.extra/tf_serving_warmup_requests` a request
that TF Serving answers once after loading, so that the first user does not wait for it.
"""

import io
import json
from pathlib import Path

import keras
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_log_pb2

from components.common.errors import UserError
from components.common.whole import whole_folder
from components.export.signature import Servable

WARM_UP_BATCHES = (1, 8)


def run(model: Path, output: Path, *, model_name: str = "marque") -> None:
    """Writes the SavedModel into `output`, whole or not at all.

    Args:
        model: the folder that train wrote.
        output: the folder to write; what is there is replaced.
        model_name: the name under which TF Serving will serve it.

    Raises:
        UserError: no trained model there.
    """
    try:
        classes = json.loads((model / "config.json").read_text("utf-8"))["classes"]
        trained = keras.models.load_model(model / "model.keras", compile=False)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{model}: expected model.keras and config.json written by train: {error}") from error
    if trained.get_layer("logits").units != len(classes):
        raise UserError(f"{model}: expected a model of {len(classes)} classes as in config.json, found another; train again")
    servable = Servable(trained, classes)
    with whole_folder(output, "saved_model.pb") as folder:
        tf.saved_model.save(servable, str(folder), signatures={"serving_default": servable.serve})
        extra = folder / "assets.extra"
        extra.mkdir()
        (extra / "classes.json").write_text(json.dumps(classes, ensure_ascii=False), "utf-8")
        _write_warm_up(extra / "tf_serving_warmup_requests", model_name, servable.image_px)


def _write_warm_up(path: Path, model_name: str, image_px: int) -> None:
    photo = io.BytesIO()
    Image.new("RGB", (image_px, image_px), "gray").save(photo, "JPEG")
    spec = model_pb2.ModelSpec(name=model_name, signature_name="serving_default")
    with tf.io.TFRecordWriter(str(path)) as writer:
        for batch in WARM_UP_BATCHES:
            request = predict_pb2.PredictRequest(
                model_spec=spec, inputs={"jpeg": tf.make_tensor_proto([photo.getvalue()] * batch, tf.string)}
            )
            log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
            writer.write(log.SerializeToString())
