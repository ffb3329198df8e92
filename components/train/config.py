"""The settings of a training run: one name each, here, in `config.json`, in a preset and as a pipeline parameter."""

import dataclasses
import math

from components.common.errors import UserError
from components.train.backbones import parse_name


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Settings of `components.train.step.run`.

    Attributes:
        backbone: `EfficientNetB0` … `B7`, `ResNet50`, `MobileNetV2` (width as a suffix: `MobileNetV2-0.35`).
        weights: of the backbone: `imagenet`, `none`, a path or a gs:// address of a `.weights.h5` file.
        batchnorm: `frozen` keeps the pretrained statistics (best for a few hundred steps), `trained` learns them.
        image_px: side of the square input, pixels.
        epochs: passes over as many photos as the train split holds.
        batch: photos in a step.
        learning_rate: the peak, after a warm-up over the first tenth of the steps; then a cosine to 1% of it.
        weight_decay: of AdamW.
        label_smoothing: 0-1.
        dropout: before the class head, 0-1.
        crop: the largest share of a side that a crop takes away, 0-1.
        color: strength of the changes of colour, 0-0.5.
        seed: of the weights, the order and the augmentation.
    """

    backbone: str = "EfficientNetB0"
    weights: str = "imagenet"
    batchnorm: str = "frozen"
    image_px: int = 224
    epochs: int = 30
    batch: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    label_smoothing: float = 0.1
    dropout: float = 0.2
    crop: float = 0.3
    color: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        """Checks every field.

        Raises:
            UserError: a value out of its range.
        """
        parse_name(self.backbone)
        if self.batchnorm not in ("frozen", "trained"):
            raise UserError(f"batchnorm: expected frozen or trained, received {self.batchnorm!r}")
        if self.weights == "none" and self.batchnorm == "frozen":
            raise UserError(
                "batchnorm: expected trained with weights none (random weights have no statistics to keep), received frozen"
            )
        self._check("image_px", 32, 1024)
        self._check("epochs", 1, math.inf)
        self._check("batch", 1, 65536)
        self._check("learning_rate", 1e-8, 10)
        self._check("weight_decay", 0, 1)
        self._check("label_smoothing", 0, 0.9)
        self._check("dropout", 0, 0.95)
        self._check("crop", 0, 0.9)
        self._check("color", 0, 0.5)
        self._check("seed", 0, 2**32 - 1)

    def _check(self, name: str, low: float, high: float) -> None:
        value = getattr(self, name)
        if not low <= value <= high:
            raise UserError(f"{name}: expected {low:g} to {high:g}, received {value!r}")
