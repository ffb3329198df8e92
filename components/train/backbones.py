"""The names of the backbones and what each asks of the other settings; knows no Keras, so that settings are checked at no cost."""

import re

from components.common.errors import UserError

CUSTOM = ("hidden", "traditional", "residual")
"""Our own, in `models/`; they have no ImageNet weights."""

_FAMILIES = {
    "convnext": [f"ConvNeXt{size}" for size in ("Tiny", "Small", "Base", "Large", "XLarge")],
    "densenet": ["DenseNet121", "DenseNet169", "DenseNet201"],
    "efficientnet": [f"EfficientNetB{i}" for i in range(8)],
    "efficientnet_v2": [f"EfficientNetV2{size}" for size in ("B0", "B1", "B2", "B3", "S", "M", "L")],
    "inception_resnet_v2": ["InceptionResNetV2"],
    "inception_v3": ["InceptionV3"],
    "mobilenet": ["MobileNet"],
    "mobilenet_v2": ["MobileNetV2"],
    "mobilenet_v3": ["MobileNetV3Small", "MobileNetV3Large"],
    "nasnet": ["NASNetMobile", "NASNetLarge"],
    "resnet": ["ResNet50", "ResNet101", "ResNet152"],
    "resnet_v2": ["ResNet50V2", "ResNet101V2", "ResNet152V2"],
    "vgg16": ["VGG16"],
    "vgg19": ["VGG19"],
    "xception": ["Xception"],
}
MODULES = {name: module for module, names in _FAMILIES.items() for name in names}
"""The module of `keras.applications` that preprocesses for a backbone, by the backbone's name."""

NAMES = (*CUSTOM, *MODULES)
_MIN_PX = {"InceptionResNetV2": 75, "InceptionV3": 75, "Xception": 71}
_WITH_WIDTH = re.compile(r"(MobileNetV2)-(0\.35|0\.5|0\.75|1\.0|1\.3|1\.4)")


def parse_name(name: str) -> tuple[str, float]:
    """`MobileNetV2-0.35` -> (`MobileNetV2`, 0.35); names without a suffix have width 1.

    Raises:
        UserError: an unknown backbone.
    """
    if match := _WITH_WIDTH.fullmatch(name):
        return match[1], float(match[2])
    if name not in NAMES:
        raise UserError(f"backbone: expected one of {', '.join(NAMES)} (or MobileNetV2-0.35 to -1.4), received {name!r}")
    return name, 1.0


def check(name: str, image_px: int, weights: str) -> None:
    """Whether the backbone exists, takes photos of that size, and has such weights.

    Raises:
        UserError: it does not.
    """
    kind, _ = parse_name(name)
    min_px = _MIN_PX.get(kind, 32)
    if image_px < min_px:
        raise UserError(f"image_px: expected {min_px} or more with backbone {name}, received {image_px}")
    if kind in CUSTOM and weights == "imagenet":
        raise UserError(f"weights: expected none, or a file, with backbone {name} (ImageNet has none for it), received imagenet")
