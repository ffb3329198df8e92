"""The serving signature: JPEG bytes of photos of any size in; labels, scores and boxes in pixels out.

serving_default
  jpeg    string   (n,)     the photos, JPEG (or PNG) bytes
  ->
  labels  string   (n, k)   class names, best first
  scores  float32  (n, k)   their probabilities, 0-1
  boxes   float32  (n, 4)   x1, y1, x2, y2 in pixels of the given photo, inside its frame
"""

from functools import partial

import keras
import tensorflow as tf

from components.common import pixels

TOP_K = 5
Answer = dict[str, tf.Tensor]


class Servable(tf.Module):
    """The trained model between decoding and naming.

    Args:
        model: photos 0-255 `(n, image_px, image_px, 3)` -> `{"logits", "box"}`.
        classes: the class names by id.
    """

    def __init__(self, model: keras.Model, classes: list[str]):
        super().__init__()
        # Not the model, whose variables Keras would save a second time: TF Serving would restore these and run without the others.
        self.weights = [variable.value for variable in model.variables]
        self._answer = partial(model, training=False)
        self.image_px = int(model.input_shape[1])
        self.classes = tf.constant(classes)
        self.top_k = min(TOP_K, len(classes))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="jpeg")])
    def serve(self, jpeg: tf.Tensor) -> Answer:
        """The signature described above."""
        photos, frames = tf.map_fn(self._load, jpeg, fn_output_signature=self._loaded_spec())
        answer = self._answer(tf.cast(photos, tf.float32))
        scores, ids = tf.math.top_k(tf.nn.softmax(answer["logits"]), self.top_k)
        boxes = tf.clip_by_value(answer["box"], 0.0, 1.0) * frames
        return {"labels": tf.gather(self.classes, ids), "scores": scores, "boxes": boxes}

    def _load(self, jpeg: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        photo, size = pixels.load_sized(jpeg, self.image_px)
        return photo, tf.cast(tf.gather(size, [1, 0, 1, 0]), tf.float32)

    def _loaded_spec(self) -> tuple[tf.TensorSpec, tf.TensorSpec]:
        return tf.TensorSpec([self.image_px, self.image_px, 3], tf.uint8), tf.TensorSpec([4], tf.float32)
