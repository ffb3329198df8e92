"""Named settings of the training pipeline: each overrides only what differs from its defaults.

toy      drawn cars, random weights, 96 px: about 6 minutes on 2 cores
mini     a few hundred photos, small ImageNet backbone, 128 px: about 3 minutes on 2 cores
cars128  thousands of small photos, 196 classes, 128 px: about half an hour on 2 cores
b0       full-size photos on a GPU
"""

from typing import Any

from components.common.errors import UserError

PRESETS: dict[str, dict[str, Any]] = {
    "toy": {
        "backbone": "MobileNetV2-0.35",
        "weights": "none",
        "batchnorm": "trained",
        "image_px": 96,
        "epochs": 52,
        "learning_rate": 4e-3,
        "min_top1": 0.85,
        "min_mean_iou": 0.8,
    },
    "mini": {"backbone": "MobileNetV2-0.35", "image_px": 128, "epochs": 80, "min_top1": 0.6, "min_mean_iou": 0.75},
    "cars128": {
        "backbone": "MobileNetV2-0.35",
        "batchnorm": "trained",
        "image_px": 128,
        "epochs": 24,
        "learning_rate": 2e-3,
        "min_top1": 0.25,
        "min_mean_iou": 0.75,
    },
    "b0": {"batchnorm": "trained", "batch": 64, "min_top1": 0.8, "min_mean_iou": 0.85},
}


def preset(name: str) -> dict[str, Any]:
    """The settings of a preset.

    Raises:
        UserError: no such preset.
    """
    if name not in PRESETS:
        raise UserError(f"preset: expected one of {', '.join(PRESETS)}, received {name!r}")
    return dict(PRESETS[name])
