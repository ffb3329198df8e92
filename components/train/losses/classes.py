"""The losses of the class head: one-hot labels, which may be soft, and logits, both `(n, classes)` -> nats, `(n,)`."""

import keras
from keras import ops

from components.train.losses.precision import at_least_float32


class CrossEntropy(keras.losses.CategoricalCrossentropy):
    """Keras's own."""

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """-> loss per photo, shape `(n,)`."""
        return super().call(y_true, at_least_float32(y_pred))


class Focal(keras.losses.Loss):
    """The sum over the classes of alpha (1 - p)^gamma y (-log p) (Lin et al., 2017, arXiv:1708.02002, equation 5).

    Well classified photos count less; with gamma 0 and alpha 1 it is the cross-entropy. Keras's own clips p to 1e-7, so that
    it neither counts nor corrects what is worse than 16 nats wrong; this one stays in logarithms.
    """

    def __init__(self, gamma: float, alpha: float, label_smoothing: float = 0.0):
        super().__init__(name="focal")
        self.gamma, self.alpha, self.label_smoothing = gamma, alpha, label_smoothing

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """-> loss per photo, shape `(n,)`."""
        log_p = ops.log_softmax(at_least_float32(y_pred), axis=-1)
        labels = ops.cast(y_true, log_p.dtype)
        labels = labels * (1 - self.label_smoothing) + self.label_smoothing / labels.shape[-1]
        # The slope of x ** gamma at 0 is infinite where gamma is below 1.
        missing = ops.maximum(1 - ops.exp(log_p), 1e-7)
        return -self.alpha * ops.sum(labels * missing**self.gamma * log_p, axis=-1)
