"""A trained network as `train` wrote it, with what one must know to look inside: its class names and the size of its photos.

Opening it checks everything that the rest of this folder relies on, so a wrong or damaged folder is one line of error at the start.
"""

import difflib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from components.common.errors import UserError

SIMILAR_NAMES = 3


@dataclass(frozen=True)
class Network:
    """A trained network.

    Attributes:
        model: photos float32 `(n, image_px, image_px, 3)`, 0-255 -> `{"logits": (n, classes), "box": (n, 4)}`, the box relative
            xyxy. A nested model named `backbone` makes the feature map, which the layer named `pool` takes.
        classes: the names, by id.
        image_px: the side of the photos.
    """

    model: keras.Model
    classes: list[str]
    image_px: int

    def split(self) -> tuple[keras.Model, keras.Model]:
        """(photos -> feature map `(n, rows, columns, channels)`, feature map -> the outputs); they share the model's layers."""
        features = self.model.get_layer("pool").input
        return keras.Model(self.model.input, features), keras.Model(features, self.model.output)

    def id_of(self, name: str) -> int:
        """The id of a class, by its name in any case.

        Raises:
            UserError: the network does not know it; the error names similar ones.
        """
        if name in self.classes:
            return self.classes.index(name)
        lower = [known.lower() for known in self.classes]
        if name.lower() in lower:
            return lower.index(name.lower())
        # A part of a name ("hummer") is the commoner slip than a misspelling of a whole one.
        near = [known for known in lower if name.lower() in known] or difflib.get_close_matches(name.lower(), lower, SIMILAR_NAMES)
        similar = [self.classes[lower.index(known)] for known in near[:SIMILAR_NAMES]]
        hint = f"did you mean {' or '.join(map(repr, similar))}?" if similar else "config.json beside the model lists them"
        raise UserError(f"class: expected one of the {len(self.classes)} classes of the model, received {name!r}; {hint}")


def load_network(model: Path) -> Network:
    """Opens a folder that train wrote.

    Args:
        model: the folder, with `model.keras` and `config.json`.

    Raises:
        UserError: one of them is missing or damaged, or they do not belong together.
    """
    if missing := [name for name in ("config.json", "model.keras") if not (model / name).is_file()]:
        raise UserError(f"{model}: expected config.json and model.keras, as train writes them, found no {' and no '.join(missing)}")
    classes, image_px = _read_config(model / "config.json")
    try:
        trained = keras.models.load_model(model / "model.keras", compile=False)
    # What Keras raises of a damaged file depends on where the damage is.
    except Exception as error:
        raise UserError(f"{model / 'model.keras'}: expected a model as train writes it, whole: {error}; train again") from None
    layers = {layer.name for layer in trained.layers}
    if missing := sorted({"backbone", "pool", "logits"} - layers):
        raise UserError(f"{model / 'model.keras'}: expected a model as train writes it, found none with a layer {missing[0]!r}")
    if (shape := tuple(trained.input_shape[1:3])) != (image_px, image_px) or trained.get_layer("logits").units != len(classes):
        raise UserError(
            f"{model}: expected a model of {len(classes)} classes and {image_px} px as config.json says, found one of "
            f"{trained.get_layer('logits').units} classes and {shape[0]} px; train again"
        )
    return Network(trained, classes, image_px)


def _read_config(path: Path) -> tuple[list[str], int]:
    try:
        config: Any = json.loads(path.read_text("utf-8"))
        classes, image_px = config["classes"], config["image_px"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: expected JSON with classes and image_px, as train writes it: {error!r}; train again") from None
    if not isinstance(classes, list) or not classes or not all(isinstance(name, str) for name in classes):
        raise UserError(f"{path}: expected a list of class names in classes; train again")
    if not isinstance(image_px, int) or image_px < 1:
        raise UserError(f"{path}: expected image_px, a whole number of pixels, received {image_px!r}; train again")
    return classes, image_px
