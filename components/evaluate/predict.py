"""Answers of the exported SavedModel, asked exactly as a client asks it: JPEG bytes in, class names and boxes out.

The signature `serving_default` takes `jpeg` string `(n,)` and returns `labels` string `(n, k)` best first, `scores` float32
`(n, k)` and `boxes` float32 `(n, 4)` in pixels of the given photo; `assets.extra/classes.json` lists the class names by id.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.common.boxes import Boxes
from components.common.errors import UserError

SIGNATURE = "serving_default"
INPUTS = {"jpeg": tf.string}
OUTPUTS = {"boxes": tf.float32, "labels": tf.string, "scores": tf.float32}


@dataclass(frozen=True)
class Predictions:
    """Answers to `n` photos: class `ids` int32 `(n, k)` best first, `scores` float32 `(n, k)`, `boxes` `(n, 4)` in pixels."""

    ids: NDArray[np.int32]
    scores: NDArray[np.float32]
    boxes: Boxes


@dataclass(frozen=True)
class Servable:
    """A loaded SavedModel with a checked signature; `classes` holds the names by id."""

    folder: Path
    classes: list[str]
    model: Any

    def ids_of(self, names: Sequence[str]) -> NDArray[np.int32]:
        """The model's ids of class names.

        Raises:
            UserError: a class that the model does not know.
        """
        ids = {name: number for number, name in enumerate(self.classes)}
        if unknown := [name for name in names if name not in ids]:
            raise UserError(
                f"{self.folder}: expected a model of the records' classes, it does not know {unknown[0]!r} ({len(unknown)} of "
                f"{len(names)} classes unknown); evaluate it on records of the dataset that it was trained on"
            )
        return np.array([ids[name] for name in names], np.int32)

    def predict(self, photos: Sequence[bytes], files: Sequence[str]) -> Predictions:
        """Answers to JPEG `photos`; `files` names them in errors.

        Raises:
            UserError: outputs of other shapes, numbers that are not finite, or a class that is not in classes.json.
        """
        answers = self.model.signatures[SIGNATURE](jpeg=tf.constant(photos))
        labels, scores, boxes = (answers[name].numpy() for name in ("labels", "scores", "boxes"))
        n = len(photos)
        if labels.ndim != 2 or len(labels) != n or scores.shape != labels.shape or boxes.shape != (n, 4):
            raise UserError(
                f"{self.folder}: for {n} photos expected labels and scores ({n}, k) and boxes ({n}, 4), received {labels.shape}, "
                f"{scores.shape} and {boxes.shape}; export the model again"
            )
        for name, values in (("scores", scores), ("boxes", boxes)):
            if not (finite := np.isfinite(values).all(axis=1)).all():
                photo = files[int(np.argmin(finite))]
                raise UserError(f"{self.folder}: expected finite {name}, received NaN or infinity for {photo}; train again")
        ids = self.ids_of([label.decode("utf-8") for label in labels.ravel()]).reshape(labels.shape)
        return Predictions(ids, scores, boxes)


def load_servable(folder: Path) -> Servable:
    """Loads a SavedModel that `export` wrote.

    Raises:
        UserError: no SavedModel there, a damaged one, one with another signature, or one without its class names.
    """
    if not (folder / "saved_model.pb").is_file():
        raise UserError(f"{folder}: expected a SavedModel written by export, found no saved_model.pb")
    try:
        model = tf.saved_model.load(str(folder))
    except (OSError, tf.errors.OpError) as error:
        raise UserError(f"{folder}: expected a whole SavedModel: {error}; export the model again") from None
    _check_signature(folder, model)
    return Servable(folder, _read_classes(folder / "assets.extra" / "classes.json"), model)


def _check_signature(folder: Path, model: Any) -> None:
    if SIGNATURE not in model.signatures:
        raise UserError(
            f"{folder}: expected the signature {SIGNATURE!r}, found {sorted(model.signatures) or 'none'}; export the model again"
        )
    signature = model.signatures[SIGNATURE]
    for what, expected, specs in (
        ("inputs", INPUTS, signature.structured_input_signature[1]),
        ("outputs", OUTPUTS, signature.structured_outputs),
    ):
        received = {name: spec.dtype for name, spec in sorted(specs.items())}
        if received != expected:
            raise UserError(f"{folder}: expected the {what} {_words(expected)}, found {_words(received)}; export the model again")


def _words(dtypes: dict[str, Any]) -> str:
    return ", ".join(f"{name} ({dtype.name})" for name, dtype in dtypes.items())


def _read_classes(path: Path) -> list[str]:
    try:
        classes = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: expected the class names of the model, found no such file; export the model again") from None
    except ValueError as error:
        raise UserError(f"{path}: expected a JSON list of class names: {error}; export the model again") from None
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes) or len(set(classes)) != len(classes):
        raise UserError(f"{path}: expected a JSON list of distinct class names; export the model again")
    return classes
