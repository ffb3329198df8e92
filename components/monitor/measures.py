"""The numbers that are compared, a few bytes a photo, and the strangest photos themselves, as thumbnails."""

import hashlib
import heapq
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.common import boxes
from components.monitor.appearance import measure, thumbnail
from components.monitor.logs import Answered

KEPT = 8
THUMBNAIL_PX = 200


@dataclass(frozen=True)
class Measures:
    """`labels`, ids of the answered classes, int64 `(n,)`; and float64 `(m,)` each, m <= n as a photo may lack one: `confidence`
    0-1, `box_size` as a share of the photo's area 0-1, `brightness` 0-255, `sharpness` (variance of the Laplacian)."""

    labels: NDArray[np.int64]
    confidence: NDArray[np.float64]
    box_size: NDArray[np.float64]
    brightness: NDArray[np.float64]
    sharpness: NDArray[np.float64]


@dataclass(frozen=True, order=True)
class Strange:
    """A photo that stands out: `rank` (the higher, the stranger) and `number` order them; `jpeg` is its thumbnail."""

    rank: float
    number: int
    value: float = field(compare=False)
    label: str = field(compare=False)
    score: float = field(compare=False)
    jpeg: bytes = field(compare=False, repr=False)


class Collector:
    """Takes photos in and keeps their numbers; a photo whose bytes came before counts once.

    Args:
        classes: the model's class names.

    Attributes:
        photos: how many counted; `repeated`, `undecodable` and `unknown` (of no class of the model) how many were like that.
        first_s, last_s: seconds since 1970 of the oldest and the newest request, 0 where unknown.
    """

    def __init__(self, classes: list[str]):
        self._ids = {name: number for number, name in enumerate(classes)}
        self._labels = array("q")
        self._numbers = {name: array("d") for name in ("confidence", "box_size", "brightness", "sharpness")}
        self._seen: set[bytes] = set()
        self._strange: dict[str, list[Strange]] = {"confidence": [], "brightness": [], "sharpness": []}
        self.photos = self.repeated = self.undecodable = self.unknown = 0
        self.first_s = self.last_s = 0

    def take(self, answered: Answered) -> None:
        """Measures one photo and its answer."""
        if answered.label not in self._ids:
            self.unknown += 1
            return
        if answered.photo is not None and not self._is_new(answered.photo):
            self.repeated += 1
            return
        self.photos += 1
        if answered.seconds:
            self.first_s = min(self.first_s or answered.seconds, answered.seconds)
            self.last_s = max(self.last_s, answered.seconds)
        self._labels.append(self._ids[answered.label])
        values = {"confidence": answered.score}
        seen = measure(answered.photo) if answered.photo is not None else None
        self.undecodable += answered.photo is not None and seen is None
        size = (seen.width, seen.height) if seen else answered.size
        if size:
            values["box_size"] = float(boxes.area(boxes.clip(answered.box, *size))) / (size[0] * size[1])
        if seen:
            values |= {"brightness": seen.brightness, "sharpness": seen.sharpness}
        for name, value in values.items():
            self._numbers[name].append(value)
            if seen and answered.photo is not None and name in self._strange:
                self._keep(name, value, answered, answered.photo)

    def measures(self) -> Measures:
        """All numbers so far."""
        return Measures(np.array(self._labels, np.int64), **{name: np.array(each) for name, each in self._numbers.items()})

    def strangest(self) -> dict[str, list[Strange]]:
        """The photos with the lowest confidence, brightness and sharpness, the lowest first."""
        return {name: sorted(found, reverse=True) for name, found in self._strange.items()}

    def _is_new(self, photo: bytes) -> bool:
        digest = hashlib.blake2b(photo, digest_size=8).digest()
        before = len(self._seen)
        self._seen.add(digest)
        return len(self._seen) > before

    def _keep(self, name: str, value: float, answered: Answered, photo: bytes) -> None:
        kept = self._strange[name]
        if len(kept) == KEPT and -value <= kept[0].rank:
            return
        strange = Strange(-value, -self.photos, value, answered.label, answered.score, thumbnail(photo, THUMBNAIL_PX))
        (heapq.heappushpop if len(kept) == KEPT else heapq.heappush)(kept, strange)


def appearance_of(photos: Iterable[bytes]) -> dict[str, Any]:
    """`brightness` and `sharpness` of photos, float64 `(n,)` each; those that do not decode are left out."""
    found = [seen for seen in map(measure, photos) if seen]
    return {name: np.array([getattr(seen, name) for seen in found], np.float64) for name in ("brightness", "sharpness")}
