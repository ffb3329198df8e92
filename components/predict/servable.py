"""A SavedModel that `export` wrote, loaded into this process and asked as a server asks it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from components.common.errors import UserError
from components.common.repository import GRAPH
from components.predict.photos import Ready

SIGNATURE = "serving_default"
OUTPUTS = ("labels", "scores", "boxes")


@dataclass(frozen=True)
class Answer:
    """One photo: `labels`, the best first, their `scores`, the `box` x1, y1, x2, y2 in pixels of the upright photo; `error` says
    why there are none."""

    photo: Ready
    labels: list[str]
    scores: list[float]
    box: tuple[float, float, float, float] | None
    error: str


class Servable:
    """A loaded model.

    Raises:
        UserError: no SavedModel there, a damaged one, or one that does not take photos.
    """

    def __init__(self, folder: Path, address: str):
        if not (folder / GRAPH).is_file():
            raise UserError(f"{address}: expected a SavedModel, as <repository>/<model>/<version>, found no {GRAPH}")
        try:
            self._model = tf.saved_model.load(str(folder))
        except (OSError, tf.errors.OpError) as error:
            raise UserError(f"{address}: expected a whole SavedModel: {error}; publish the model again") from None
        self._address = address
        signature = self._model.signatures.get(SIGNATURE)
        inputs = sorted(signature.structured_input_signature[1]) if signature else []
        if inputs != ["jpeg"] or sorted(signature.structured_outputs) != sorted(OUTPUTS):
            raise UserError(f"{address}: expected the signature {SIGNATURE!r} of Marque's export (jpeg -> {', '.join(OUTPUTS)})")
        self._signature = signature

    def answer(self, photos: Sequence[Ready]) -> list[Answer]:
        """Answers in the order of `photos`; a photo that TensorFlow's decoder refuses gets that as its `error`.

        Raises:
            UserError: answers of other shapes or that are not finite.
        """
        good = [photo for photo in photos if not photo.error]
        given = iter(self._ask(good))
        return [Answer(photo, [], [], None, photo.error) if photo.error else next(given) for photo in photos]

    def _ask(self, photos: Sequence[Ready]) -> list[Answer]:
        if not photos:
            return []
        try:
            outputs = self._signature(jpeg=tf.constant([photo.jpeg for photo in photos]))
        except tf.errors.InvalidArgumentError as error:
            if len(photos) > 1:  # one of them spoils all
                return [answer for photo in photos for answer in self._ask([photo])]
            return [Answer(photos[0], [], [], None, f"expected a photo, TensorFlow cannot decode it: {_first_line(error)}")]
        labels, scores, boxes = (outputs[name].numpy() for name in OUTPUTS)
        self._check(labels, scores, boxes, photos)
        boxes = boxes * np.array([photo.scale * 2 for photo in photos])
        return [
            Answer(photo, [label.decode("utf-8", "replace") for label in names], [float(score) for score in found], tuple(box), "")
            for photo, names, found, box in zip(photos, labels, scores, boxes.tolist(), strict=True)
        ]

    def _check(self, labels: Any, scores: Any, boxes: Any, photos: Sequence[Ready]) -> None:
        n = len(photos)
        if labels.ndim != 2 or len(labels) != n or scores.shape != labels.shape or boxes.shape != (n, 4):
            raise UserError(
                f"{self._address}: for {n} photos expected labels and scores ({n}, k) and boxes ({n}, 4), received "
                f"{labels.shape}, {scores.shape} and {boxes.shape}; export the model again"
            )
        if not (finite := np.isfinite(scores).all(axis=1) & np.isfinite(boxes).all(axis=1)).all():
            file = photos[int(np.argmin(finite))].file
            raise UserError(f"{self._address}: expected finite scores and boxes, received NaN or infinity for {file}; train again")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].strip()
