"""Where a run can be watched: TensorBoard's files always, MLflow and Weights & Biases where the environment asks for them."""

from components.train.tracking.tracking import Tracking

__all__ = ["Tracking"]
