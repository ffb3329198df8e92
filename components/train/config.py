"""The settings of a training run: one name each, here, in `config.json`, in a preset and as a pipeline parameter."""

import dataclasses
import math

from components.common.errors import UserError
from components.train.backbones import parse_name

CHOICES = {
    "batchnorm": ("frozen", "trained"),
    "sampling": ("uniform", "natural", "temperature"),
    "augment": ("auto", "none", "seed", "imgaug", "graph"),
    "damaged": ("stop", "skip"),
}


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
        sampling: `uniform` (every class equally likely), `natural` (every photo), or `temperature` between.
        temperature: with `sampling = temperature`, a class of n photos has the weight n ** (1 / temperature); 1 or more.
        augment: `seed`, `imgaug`, `graph` (see `train/augment/`) or `none`; `auto` is `graph` where a GPU trains, else `imgaug`.
        strength: of the augmentation, 0-1.
        plain_tail: the last share of the steps sees photos as they are, as serving does; boxes of turned cars are looser (YOLOX,
            arXiv:2107.08430, too ends strong augmentation before the last epochs). 0-1.
        randaugment: with `graph`, this many operations on each photo instead of 0 to 5; 0 is off.
        mixup: alpha of MixUp, after any policy; 0 is off.
        cutmix: alpha of CutMix, after any policy; 0 is off.
        damaged: `stop` at a damaged record, or `skip`: take another of its class and list it in `skipped.txt`.
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
    sampling: str = "uniform"
    temperature: float = 2.0
    augment: str = "auto"
    strength: float = 1.0
    plain_tail: float = 0.2
    randaugment: int = 0
    mixup: float = 0.0
    cutmix: float = 0.0
    damaged: str = "stop"
    seed: int = 0

    def __post_init__(self) -> None:
        """Checks every field.

        Raises:
            UserError: a value out of its range.
        """
        parse_name(self.backbone)
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise UserError(f"{name}: expected {', '.join(choices[:-1])} or {choices[-1]}, received {getattr(self, name)!r}")
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
        self._check("temperature", 1, 1e6)
        self._check("strength", 0, 1)
        self._check("plain_tail", 0, 1)
        self._check("randaugment", 0, 14)
        self._check("mixup", 0, 10)
        self._check("cutmix", 0, 10)
        if self.randaugment and self.augment not in ("auto", "graph"):
            raise UserError(f"randaugment: expected augment graph with it, received {self.augment}")
        self._check("seed", 0, 2**32 - 1)

    def _check(self, name: str, low: float, high: float) -> None:
        value = getattr(self, name)
        if not low <= value <= high:
            raise UserError(f"{name}: expected {low:g} to {high:g}, received {value!r}")
