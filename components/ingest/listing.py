"""What a source says it holds, before anything is checked: the class names and one entry a photo.

Every kind of source is reduced to this, so that checking, splitting and writing know nothing of sources.
"""

from dataclasses import dataclass
from pathlib import Path

UNKNOWN_CLASS = -1


@dataclass(frozen=True)
class ListedPhoto:
    """One line of a source's annotations, believed in nothing.

    Attributes:
        file: the photo's name in the source; a source that lists it twice gives two entries.
        path: where its bytes should lie.
        label: class id, 0-based; may name no class.
        box: x1, y1, x2, y2 in pixels, 0-based, half-open; may be empty, inverted or off the photo.
        split: train, validation or test; None where the source leaves it to ingest.
    """

    file: str
    path: Path
    label: int
    box: tuple[float, float, float, float]
    split: str | None


@dataclass(frozen=True)
class Listing:
    """A source's class names, in the order of their ids, and its photos."""

    classes: list[str]
    photos: list[ListedPhoto]
