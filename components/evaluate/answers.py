"""The model's answers to the photos of a split, a batch at a time: what is held does not grow with the number of photos.

Class ids are the model's; boxes are in pixels of each photo.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
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

SINGLE_PHOTOS = 30


@dataclass(frozen=True)
class Answers:
    """`n` photos: `files`, `labels` int32 `(n,)`, `sizes` int32 `(n, 2)` as (width, height), `true_boxes` float32 `(n, 4)`; the
    model's `ids` int32 `(n, k)` best first, `scores` float32 `(n, k)` and `boxes` float32 `(n, 4)`."""

    files: list[str]
    labels: NDArray[np.int32]
    sizes: NDArray[np.int32]
    true_boxes: Boxes
    ids: NDArray[np.int32]
    scores: NDArray[np.float32]
    boxes: Boxes


@dataclass
class Clock:
    """Seconds spent in the model, JPEG bytes in, answers out; reading the records is left out."""

    photos: int = 0
    seconds: float = 0.0
    single_s: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        """`images_per_s`, and `latency_ms` of one photo at a time: the median `p50` and `p95`."""
        p50, p95 = np.percentile(self.single_s, [50, 95]) * 1e3
        return {
            "images_per_s": round(self.photos / self.seconds, 1),
            "latency_ms": {"p50": round(float(p50), 2), "p95": round(float(p95), 2)},
        }


def ask(servable: Servable, records: Records, split: str, batch: int, clock: Clock) -> Iterator[Answers]:
    """Runs every photo of `split` through `servable`, `batch` at a time, and shows how far it is; `clock` is set going.

    Raises:
        UserError: the split holds no photos, a shard is damaged, or the model knows other classes or answers nonsense.
    """
    model_ids = servable.ids_of(records.classes)
    if not sum(records.counts[split]):
        raise UserError(f"records: expected {split} photos, found none; evaluate another split or a source that has {split} photos")
    photos = track(records.examples(split), f"{split} photos answered", sum(records.counts[split]))
    for examples in _batches(photos, batch):
        jpegs, files = [example["jpeg"] for example in examples], [example["file"].decode("utf-8") for example in examples]
        if not clock.photos:
            clock.single_s = list(_one_by_one(servable, jpegs, files))
        began = time.perf_counter()
        predicted = servable.predict(jpegs, files)
        clock.seconds += time.perf_counter() - began
        clock.photos += len(files)
        labels = model_ids[[example["label"] for example in examples]]
        sizes = np.stack([example["size"] for example in examples])
        true_boxes = boxes.to_pixels(np.stack([example["box"] for example in examples]), sizes[:, 0], sizes[:, 1])
        yield Answers(files, labels, sizes, true_boxes, predicted.ids, predicted.scores, predicted.boxes)


def photos_at(records: Records, split: str, rows: Sequence[int]) -> Iterator[bytes]:
    """The JPEG bytes of single photos; `rows` count from 0 in the order of the records and may come in any order."""
    index = records.index(split)
    for row in rows:
        yield parse(index.read_in_order(row))["jpeg"].numpy()


def _batches(examples: Iterator[dict[str, Any]], batch: int) -> Iterator[list[dict[str, Any]]]:
    while group := list(islice(examples, batch)):
        yield group


def _one_by_one(servable: Servable, jpegs: Sequence[bytes], files: Sequence[str]) -> Iterator[float]:
    servable.predict(jpegs[:1], files[:1])  # the first call builds what later calls reuse
    for jpeg, file in list(zip(jpegs, files, strict=True))[:SINGLE_PHOTOS]:
        began = time.perf_counter()
        servable.predict([jpeg], [file])
        yield time.perf_counter() - began
