"""Metrics of the two heads, on any Keras backend."""

import keras

from components.train.losses import iou


class MeanIoU(keras.metrics.Mean):
    """Mean intersection over union of pairs of boxes `(n, 4)`, 0-1."""

    def __init__(self, name: str = "iou"):
        super().__init__(name=name)

    def update_state(
        self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor, sample_weight: keras.KerasTensor | None = None
    ) -> None:
        """Adds the pairs of a batch."""
        super().update_state(iou(y_true, y_pred), sample_weight)
