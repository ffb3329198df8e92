"""The names of the backbones; knows no Keras, so that settings are checked at no cost."""

import re

from components.common.errors import UserError

NAMES = (*(f"EfficientNetB{i}" for i in range(8)), "MobileNetV2", "ResNet50")
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
