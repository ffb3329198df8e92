"""The loss of the box head and what it is made of, on any Keras backend; the class head has Keras's own losses."""

import keras
from keras import ops

from components.train.config import TrainConfig


class BoxLoss(keras.losses.Loss):
    """Smooth L1 plus generalized IoU, both of boxes `(n, 4)` relative to the photo.

    L1 moves a box that is far off; GIoU (Rezatofighi et al., 2019, arXiv:1902.09630) is what the metric measures.
    """

    def __init__(self, l1_weight: float = 5.0, beta: float = 0.1, name: str = "box_loss"):
        super().__init__(name=name)
        self.l1_weight = l1_weight
        self.beta = beta

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """-> loss per box, shape `(n,)`."""
        error = ops.abs(y_true - y_pred)
        smooth = ops.where(error < self.beta, 0.5 * error**2 / self.beta, error - 0.5 * self.beta)
        return self.l1_weight * ops.mean(smooth, axis=-1) + (1 - giou(y_true, y_pred))


def iou_and_hull(a: keras.KerasTensor, b: keras.KerasTensor) -> tuple[keras.KerasTensor, keras.KerasTensor, keras.KerasTensor]:
    """IoU, union area and the area of the smallest box around both, of pairs of boxes `(..., 4)`; each `(...)`."""
    overlap = _area(ops.maximum(a[..., :2], b[..., :2]), ops.minimum(a[..., 2:], b[..., 2:]))
    union = _area(a[..., :2], a[..., 2:]) + _area(b[..., :2], b[..., 2:]) - overlap
    hull = _area(ops.minimum(a[..., :2], b[..., :2]), ops.maximum(a[..., 2:], b[..., 2:]))
    return overlap / ops.maximum(union, 1e-7), union, hull


def iou(a: keras.KerasTensor, b: keras.KerasTensor) -> keras.KerasTensor:
    """Intersection over union, 0-1."""
    return iou_and_hull(a, b)[0]


def giou(a: keras.KerasTensor, b: keras.KerasTensor) -> keras.KerasTensor:
    """Generalized IoU, -1 to 1: IoU less the share of the hull that neither box covers."""
    overlap, union, hull = iou_and_hull(a, b)
    return overlap - (hull - union) / ops.maximum(hull, 1e-7)


def _area(low: keras.KerasTensor, high: keras.KerasTensor) -> keras.KerasTensor:
    sides = ops.maximum(high - low, 0)
    return sides[..., 0] * sides[..., 1]


def class_loss(config: TrainConfig) -> keras.losses.Loss:
    """The loss of the class head: one-hot labels and logits `(n, classes)` -> `(n,)`."""
    return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=config.label_smoothing)


def box_loss(config: TrainConfig) -> keras.losses.Loss:
    """The loss of the box head: boxes `(n, 4)`, relative -> `(n,)`."""
    return BoxLoss()


def embedding_loss(config: TrainConfig, classes: int) -> keras.layers.Layer:
    """The loss of the embedding: a layer, as proxies are weights; one-hot labels `(n, classes)`, embeddings `(n, d)` -> `(n,)`."""
    raise NotImplementedError(config.metric_loss)
