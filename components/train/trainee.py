"""A network together with its losses and metrics: what Keras trains. On any Keras backend."""

from typing import Any

import keras
from keras import ops

from components.train.config import TrainConfig
from components.train.features import split
from components.train.losses import box_loss, class_loss, embedding_loss
from components.train.metrics import MeanIoU


class Trainee(keras.Model):
    """Wraps a network of `models.build`; `compile(optimizer=…)` it, then train it as any Keras model.

    The loss is `class_weight` * the class loss + `box_weight` * the box loss + `metric_weight` * the embedding's, or, with
    `head_weights = learned`, sum(exp(-s) * loss + s) / 2 with a learned s a head (Kendall et al., 2018, arXiv:1705.07115; s is the
    log of sigma squared), plus the penalties of the layers. Its metrics: loss, label_loss, box_loss (embedding_loss), top1, iou.

    Attributes:
        network: what is saved and served.
    """

    def __init__(self, network: keras.Model, config: TrainConfig):
        # of that precision so that compile() scales float16's loss; uint8 photos are left as they are
        super().__init__(name="trainee", dtype=config.precision, autocast=False)
        self.network = network
        self._class_loss, self._box_loss, self._embedding_loss = class_loss(config), box_loss(config), None
        weights, names = [config.class_weight, config.box_weight], ["label_loss", "box_loss"]
        if config.metric_loss != "none":
            self._embedding_loss = embedding_loss(config, classes=int(network.output["logits"].shape[-1]))
            weights, names = [*weights, config.metric_weight], [*names, "embedding_loss"]
        self._weights = weights
        self._loss_means = [keras.metrics.Mean(name) for name in names]
        self._top1, self._iou = keras.metrics.CategoricalAccuracy("top1"), MeanIoU("iou")
        self._log_variances = None
        if config.head_weights == "learned":
            self._log_variances = self.add_weight(shape=(len(weights),), initializer="zeros", name="log_variances")
        self.built = True

    def call(self, photos: Any, training: bool = False) -> dict[str, Any]:
        """The network's answer; in place of photos it takes `{"features": …}` of `features.batches`."""
        if isinstance(photos, dict):
            return split(self.network)[1](photos["features"], training=training)
        return self.network(photos, training=training)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The mean over the batch of the weighted losses, plus the layers' penalties; a scalar."""
        per_photo = [self._class_loss.call(y["logits"], y_pred["logits"]), self._box_loss.call(y["box"], y_pred["box"])]
        if self._embedding_loss is not None:
            per_photo.append(self._embedding_loss(y["logits"], y_pred["embedding"]))
        for mean, losses in zip(self._loss_means, per_photo, strict=True):
            mean.update_state(losses)
        each = ops.stack([ops.mean(losses) for losses in per_photo])
        if self._log_variances is None:
            total = ops.sum(each * ops.convert_to_tensor(self._weights, each.dtype))
        else:
            total = ops.sum(ops.exp(-self._log_variances) * each + self._log_variances) / 2
        # Keras divides by the number of replicas here, as it does for losses given to compile().
        return self._aggregate_additional_loss(total + sum(self.losses))

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Adds a batch to the metrics, and what all came to so far."""
        self._top1.update_state(y["logits"], y_pred["logits"])
        self._iou.update_state(y["box"], y_pred["box"])
        return self.get_metrics_result()
