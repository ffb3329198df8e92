"""Every photo of a split with its truth and the model's answer, in the order of the records, as arrays.

Class ids are the model's; boxes are in pixels of each photo.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.common import boxes
from components.common.boxes import Boxes
from components.common.errors import UserError
from components.common.progress import track
from components.common.records import Records, parse
from components.evaluate.predict import Servable


@dataclass(frozen=True)
class Answers:
    """`n >= 1` photos: `files`, `labels` int32 `(n,)`, `sizes` int32 `(n, 2)` as (width, height), `true_boxes` float32 `(n, 4)`;
    the model's `ids` int32 `(n, k)` best first, `scores` float32 `(n, k)` and `boxes` float32 `(n, 4)`."""

    files: list[str]
    labels: NDArray[np.int32]
    sizes: NDArray[np.int32]
    true_boxes: Boxes
    ids: NDArray[np.int32]
    scores: NDArray[np.float32]
    boxes: Boxes

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether each photo's best answer is its class, `(n,)`."""
        return self.ids[:, 0] == self.labels

    def iou(self) -> NDArray[np.float32]:
        """IoU of each predicted box with the true one, `(n,)`."""
        return boxes.iou(self.boxes, self.true_boxes)

    def iou_of_always(self, relative_box: Boxes) -> NDArray[np.float32]:
        """IoU of each photo, `(n,)`, had the answer always been `relative_box`."""
        return boxes.iou(boxes.to_pixels(relative_box, self.sizes[:, 0], self.sizes[:, 1]), self.true_boxes)


def ask(servable: Servable, records: Records, split: str, batch: int) -> tuple[Answers, float]:
    """Runs every photo of `split` through `servable`, `batch` at a time, and shows how far it is.

    Returns:
        The answers, and the seconds spent in the model (reading the records left out).

    Raises:
        UserError: the split holds no photos, a shard is damaged, or the model knows other classes or answers nonsense.
    """
    model_ids = servable.ids_of(records.classes)
    parts, seconds = [], 0.0
    photos = track(records.examples(split), f"{split} photos answered", sum(records.counts[split]))
    for examples in _batches(photos, batch):
        files = [example["file"].decode("utf-8") for example in examples]
        began = time.perf_counter()
        predicted = servable.predict([example["jpeg"] for example in examples], files)
        seconds += time.perf_counter() - began
        labels = model_ids[[example["label"] for example in examples]]
        sizes = np.stack([example["size"] for example in examples])
        true_boxes = boxes.to_pixels(np.stack([example["box"] for example in examples]), sizes[:, 0], sizes[:, 1])
        parts.append(Answers(files, labels, sizes, true_boxes, predicted.ids, predicted.scores, predicted.boxes))
    if not parts:
        raise UserError(f"records: expected {split} photos, found none; evaluate another split or a source that has {split} photos")
    return _join(parts), seconds


def photos_at(records: Records, split: str, rows: Sequence[int]) -> Iterator[bytes]:
    """The JPEG bytes of single photos; `rows` count from 0 in the order of the records and may come in any order."""
    index = records.index(split)
    for row in rows:
        yield parse(index.read_in_order(row))["jpeg"].numpy()


def _batches(examples: Iterator[dict[str, Any]], batch: int) -> Iterator[list[dict[str, Any]]]:
    while group := list(islice(examples, batch)):
        yield group


def _join(parts: list[Answers]) -> Answers:
    files = [file for part in parts for file in part.files]
    arrays = ("labels", "sizes", "true_boxes", "ids", "scores", "boxes")
    return Answers(files, *(np.concatenate([getattr(part, name) for part in parts]) for name in arrays))
