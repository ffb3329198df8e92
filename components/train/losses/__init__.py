"""The losses of the three heads, a value a photo, on any Keras backend; at least in float32, also of a network in float16."""

import keras

from components.train.config import TrainConfig
from components.train.losses.boxes import BoxLoss, ciou, giou, iou
from components.train.losses.classes import CrossEntropy, Focal
from components.train.losses.embeddings import Contrastive, Proxy

__all__ = ["BoxLoss", "box_loss", "ciou", "class_loss", "embedding_loss", "giou", "iou"]


def class_loss(config: TrainConfig) -> keras.losses.Loss:
    """The loss of the class head: one-hot labels, which may be soft, and logits, both `(n, classes)` -> `(n,)`, in nats."""
    if config.class_loss == "focal":
        return Focal(config.focal_gamma, config.focal_alpha, config.label_smoothing)
    return CrossEntropy(from_logits=True, label_smoothing=config.label_smoothing)


def box_loss(config: TrainConfig) -> keras.losses.Loss:
    """The loss of the box head: boxes `(n, 4)`, relative -> `(n,)`."""
    return BoxLoss(config.box_loss)


def embedding_loss(config: TrainConfig, classes: int) -> keras.layers.Layer:
    """The loss of the embedding: a layer, as proxies are weights; one-hot labels `(n, classes)`, embeddings `(n, d)` -> `(n,)`."""
    return Contrastive() if config.metric_loss == "contrastive" else Proxy(classes, config.embedding)
