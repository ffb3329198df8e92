"""The settings of a training run: one name each, here, in `config.json`, in a preset and in the pipeline's `train_settings`."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

from components.common.errors import UserError
from components.common.settings import build
from components.train.backbones import check

CHOICES = {
    "batchnorm": ("frozen", "trained"),
    "sampling": ("uniform", "natural", "temperature"),
    "augment": ("auto", "none", "seed", "imgaug", "graph"),
    "damaged": ("stop", "skip"),
    "class_loss": ("crossentropy", "focal"),
    "box_loss": ("l1_giou", "huber", "giou", "ciou", "msle"),
    "head_weights": ("fixed", "learned"),
    "metric_loss": ("none", "contrastive", "proxy"),
    "optimizer": ("adamw", "sgd"),
    "schedule": ("cosine", "plateau"),
    "precision": ("float32", "mixed_float16", "mixed_bfloat16"),
}
RANGES = {
    "image_px": (32, 1024),
    "dropout": (0, 0.95),
    "l2": (0, 1e4),
    "embedding": (0, 4096),
    "temperature": (1, 1e6),
    "photos_per_class": (1, 64),
    "held_out": (0, 0.9),
    "strength": (0, 1),
    "plain_tail": (0, 1),
    "randaugment": (0, 14),
    "mixup": (0, 10),
    "cutmix": (0, 10),
    "label_smoothing": (0, 0.9),
    "focal_gamma": (0, 10),
    "focal_alpha": (0, 10),
    "class_weight": (0, 1e3),
    "box_weight": (0, 1e3),
    "metric_weight": (0, 1e3),
    "epochs": (1, 1e6),
    "batch": (1, 65536),
    "accumulate": (1, 1024),
    "learning_rate": (1e-8, 10),
    "weight_decay": (0, 1),
    "warm_up": (0, 1),
    "patience": (0, 1e6),
    "frozen_layers": (0, 1e6),
    "frozen_epochs": (0, 1e6),
    "unfreeze_epochs": (0, 1e6),
    "layer_decay": (0.01, 1),
    "ema": (0, 0.99999),
    "swa": (0, 1),
    "seed": (0, 2**32 - 1),
}


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Settings of `components.train.step.run`. 0 turns off what has a strength, a length or a size.

    Attributes:
        backbone: see `backbones.py`: `EfficientNetB0`, `ResNet50`, `MobileNetV2-0.35` (width as a suffix), `traditional`, …
        weights: of the backbone: `imagenet`, `none`, a path or a gs:// address of a `.weights.h5` file.
        batchnorm: `frozen` keeps the pretrained statistics (best for a few hundred steps), `trained` learns them.
        image_px: side of the square input, pixels.
        dropout: before the class head, 0-1.
        l2: penalty of the class head's weights.
        embedding: size of a unit-length embedding of the photo, a third output.
        sampling: `uniform` (every class equally likely), `natural` (every photo), or `temperature` between.
        temperature: with `sampling = temperature`, a class of n photos has the weight n ** (1 / temperature); 1 or more.
        photos_per_class: drawn side by side, so that a batch holds pairs of a class; for `metric_loss`.
        held_out: share of the classes never trained on, the last ones; for the recognition of classes never seen.
        augment: `seed`, `imgaug`, `graph` (see `train/augment/`) or `none`; `auto` is `graph` where a GPU trains, else `imgaug`.
        strength: of the augmentation, 0-1.
        plain_tail: the last share of the steps sees photos as they are, as serving does; boxes of turned cars are looser (YOLOX,
            arXiv:2107.08430, too ends strong augmentation before the last epochs). 0-1.
        randaugment: with `graph`, this many operations on each photo instead of 0 to 5.
        mixup: alpha of MixUp, after any policy.
        cutmix: alpha of CutMix, after any policy.
        damaged: `stop` at a damaged record, or `skip`: take another of its class and list it in `skipped.txt`.
        class_loss: `crossentropy`, or `focal` with `focal_gamma` and `focal_alpha` (Lin et al., 2017, arXiv:1708.02002).
        label_smoothing: 0-1.
        box_loss: `l1_giou` (smooth L1 and GIoU), `huber`, `giou`, `ciou`, or `msle`, the original project's.
        head_weights: `fixed` (`class_weight`, `box_weight`), or `learned` (Kendall et al., 2018, arXiv:1705.07115); the best epoch
            is found by the fixed ones either way.
        metric_loss: of the embedding: `none`, `contrastive` or `proxy`, times `metric_weight`.
        epochs: passes over as many photos as the train split holds.
        batch: photos in a forward step, over all devices together.
        accumulate: forward steps before the weights move; their gradients' mean counts.
        optimizer: `adamw`, or `sgd` with Nesterov momentum .9.
        learning_rate: the peak, after a warm-up.
        weight_decay: decoupled from the gradient (AdamW), in SGD too.
        schedule: `cosine` to 1% of the peak, or `plateau`: a third after 5 epochs without a better validation loss.
        warm_up: share of the steps in which the rate rises from 0 to its peak.
        patience: epochs without a better validation loss until training stops.
        frozen_layers: the first layers of the backbone that are never trained.
        frozen_epochs: the heads alone are trained first; the backbone's features are computed once where nothing is augmented.
        unfreeze_epochs: after that, another stage of the backbone joins every so many epochs, from the top; 0: all at once.
        layer_decay: of the learning rate from one stage of the backbone to the one below it.
        ema: decay of the exponential moving average of the weights, which is then what is validated and kept.
        swa: the last share of the steps whose weights are averaged (Izmailov et al., 2018, arXiv:1803.05407); BatchNorm's
            statistics are then estimated anew.
        precision: `float32`, `mixed_float16` or `mixed_bfloat16`.
        xla: compile the step with XLA.
        deterministic: the same run gives the same weights, bit for bit; slower.
        seed: of the weights, the order and the augmentation.
    """

    backbone: str = "EfficientNetB0"
    weights: str = "imagenet"
    batchnorm: str = "frozen"
    image_px: int = 224
    dropout: float = 0.2
    l2: float = 0.0
    embedding: int = 0
    sampling: str = "uniform"
    temperature: float = 2.0
    photos_per_class: int = 1
    held_out: float = 0.0
    augment: str = "auto"
    strength: float = 1.0
    plain_tail: float = 0.2
    randaugment: int = 0
    mixup: float = 0.0
    cutmix: float = 0.0
    damaged: str = "stop"
    class_loss: str = "crossentropy"
    label_smoothing: float = 0.1
    focal_gamma: float = 2.0
    focal_alpha: float = 1.0
    box_loss: str = "l1_giou"
    head_weights: str = "fixed"
    class_weight: float = 1.0
    box_weight: float = 1.0
    metric_loss: str = "none"
    metric_weight: float = 1.0
    epochs: int = 30
    batch: int = 32
    accumulate: int = 1
    optimizer: str = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    schedule: str = "cosine"
    warm_up: float = 0.1
    patience: int = 0
    frozen_layers: int = 0
    frozen_epochs: int = 0
    unfreeze_epochs: int = 0
    layer_decay: float = 1.0
    ema: float = 0.0
    swa: float = 0.0
    precision: str = "float32"
    xla: bool = False
    deterministic: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        """Checks every field.

        Raises:
            UserError: a value out of its range, or two that do not go together.
        """
        check(self.backbone, self.image_px, self.weights)
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise UserError(f"{name}: expected {', '.join(choices[:-1])} or {choices[-1]}, received {getattr(self, name)!r}")
        for name, (low, high) in RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise UserError(f"{name}: expected {low:g} to {high:g}, received {getattr(self, name)!r}")
        if self.weights == "none" and self.batchnorm == "frozen":
            raise UserError(
                "batchnorm: expected trained with weights none (random weights have no statistics to keep), received frozen"
            )
        if self.randaugment and self.augment not in ("auto", "graph"):
            raise UserError(f"randaugment: expected augment graph with it, received {self.augment}")
        if self.metric_loss != "none" and not self.embedding:
            raise UserError(f"embedding: expected a size (128, say) with metric_loss {self.metric_loss}, received 0")
        if self.embedding and self.metric_loss == "none":
            raise UserError(f"metric_loss: expected contrastive or proxy with embedding {self.embedding}, received none")
        if self.ema and self.swa:
            raise UserError(f"swa: expected 0 with ema {self.ema:g} (one average is kept), received {self.swa:g}")
        if self.swa and self.patience:
            raise UserError(
                f"patience: expected 0 with swa {self.swa:g} (a run that ends early has no average), received {self.patience}"
            )
        if self.batch % self.photos_per_class:
            raise UserError(f"batch: expected a multiple of photos_per_class {self.photos_per_class}, received {self.batch}")

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """The settings in `settings`, the others as by default; a whole number may come as a float, as kfp's do, or as text.

        Raises:
            UserError: an unknown name, or a value of the wrong type or out of its range.
        """
        return build(cls, settings, "training settings")
