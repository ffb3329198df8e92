"""Named settings, a YAML file each, which override only what differs from the defaults.

`about` says what they reach and how long they take, `train` holds `TrainConfig`'s fields, `gate` what a model has to
meet for the pipeline to deploy it.
"""

from dataclasses import dataclass
from importlib import resources
from typing import Any

import yaml

from components.common.errors import UserError

_FILES = {path.name.removesuffix(".yaml"): path for path in resources.files(__name__).iterdir() if path.name.endswith(".yaml")}
NAMES = tuple(sorted(_FILES))


@dataclass(frozen=True)
class Preset:
    """See the module."""

    about: str
    train: dict[str, Any]
    gate: dict[str, Any]


def load(name: str) -> Preset:
    """The preset of that name.

    Raises:
        UserError: no such preset.
    """
    if name not in _FILES:
        raise UserError(f"preset: expected one of {', '.join(NAMES)}, received {name!r}")
    return Preset(**yaml.safe_load(_FILES[name].read_text("utf-8")))
