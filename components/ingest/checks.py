"""Looks at every photo once and says what is wrong with it: a checked photo, or a reason to set it aside.

A checked photo is a whole, upright JPEG in RGB with its box clipped to the frame, neither empty nor mostly outside. JPEGs that are
upright and RGB stay byte for byte what they were; PNGs, JPEGs of other colour spaces and photos that EXIF turns become RGB JPEGs of
quality 95. Listed boxes are in pixels as stored, and are turned with their photo.
"""

import hashlib
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from components.common import boxes
from components.common.dataset import SPLITS
from components.common.errors import UserError
from components.common.upright import AS_STORED, orientation, upright, upright_box
from components.ingest.jpeg import reaches_its_end
from components.ingest.listing import ListedPhoto

NOT_A_PHOTO = "not a JPEG or PNG"
DAMAGED = "truncated or damaged"
MISSING = "missing file"
EMPTY_BOX = "empty box"
INVERTED_BOX = "inverted box"
BOX_OUTSIDE = "box outside the frame"
UNKNOWN_CLASS = "unknown class"
SAME_BYTES = "same bytes twice"
LISTED_TWICE = "listed twice"
TOO_LARGE = "too large"

MAX_PHOTO_BYTES = 50 * 2**20
MAX_PHOTO_PIXELS = 50_000_000
MIN_BOX_SHARE_INSIDE = 0.5
JPEG_QUALITY = 95
MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")


@dataclass(frozen=True)
class CheckedPhoto:
    """A photo fit for the dataset; `path` holds its RGB JPEG, `box` is inside the frame, sizes are in pixels."""

    listed: ListedPhoto
    path: Path
    box: tuple[float, float, float, float]
    width: int
    height: int
    sha256: str


@dataclass(frozen=True)
class RejectedPhoto:
    """A photo set aside, and why."""

    listed: ListedPhoto
    reason: str


class _SetAsideError(Exception):
    """Why the photo at hand is set aside."""


def leaked(split: str, other: str) -> str:
    """The reason for a photo whose bytes another split holds too."""
    first, second = sorted((split, other), key=SPLITS.index)
    return f"same bytes in {first} and {second}"


def check_photo(listed: ListedPhoto, classes: int, scratch: Path) -> CheckedPhoto | RejectedPhoto:
    """Reads and decodes one photo; a normalised copy, where one is needed, goes into `scratch`.

    Raises:
        UserError: the file is there but this user may not read it.
    """
    try:
        if not 0 <= listed.label < classes:
            raise _SetAsideError(UNKNOWN_CLASS)
        _check_box_order(listed.box)
        content = _read(listed.path)
        photo, width, height = _decode(content)
        box = upright_box(_inside(listed.box, width, height), orientation(photo), width, height)
    except _SetAsideError as reason:
        return RejectedPhoto(listed, str(reason))
    path = listed.path
    if not _stays(photo):
        photo = upright(photo)
        content = _as_rgb_jpeg(photo)
        width, height = photo.size
        path = scratch / f"{hashlib.sha256(content).hexdigest()}.jpg"
        path.write_bytes(content)
    return CheckedPhoto(listed, path, box, width, height, hashlib.sha256(content).hexdigest())


def without_repeats(photos: Iterable[ListedPhoto]) -> tuple[list[ListedPhoto], list[RejectedPhoto]]:
    """(the first entry of every file, the later ones)."""
    first: dict[str, ListedPhoto] = {}
    repeats = [RejectedPhoto(photo, LISTED_TWICE) for photo in photos if first.setdefault(photo.file, photo) is not photo]
    return list(first.values()), repeats


def without_copies(photos: Iterable[CheckedPhoto]) -> tuple[list[CheckedPhoto], list[RejectedPhoto]]:
    """(photos of pairwise different bytes in their given order, the copies).

    Of copies in different splits the test photo stays, then the validation photo: a score must not be won by heart.
    """
    in_order = list(photos)
    keepers: dict[str, CheckedPhoto] = {}
    for photo in sorted(in_order, key=_split_rank, reverse=True):
        keepers.setdefault(photo.sha256, photo)
    copies = []
    for photo in in_order:
        keeper = keepers[photo.sha256]
        if keeper is not photo:
            mine, other = photo.listed.split, keeper.listed.split
            reason = SAME_BYTES if mine == other or mine is None or other is None else leaked(mine, other)
            copies.append(RejectedPhoto(photo.listed, reason))
    return [photo for photo in in_order if keepers[photo.sha256] is photo], copies


def _split_rank(photo: CheckedPhoto) -> int:
    return SPLITS.index(photo.listed.split) if photo.listed.split else 0


def _check_box_order(box: tuple[float, float, float, float]) -> None:
    x1, y1, x2, y2 = box
    if x2 < x1 or y2 < y1:
        raise _SetAsideError(INVERTED_BOX)
    if not (x2 > x1 and y2 > y1):
        raise _SetAsideError(EMPTY_BOX)


def _inside(box: tuple[float, float, float, float], width: int, height: int) -> tuple[float, float, float, float]:
    """The box clipped to the frame, if at least half of its area remains."""
    clipped = boxes.clip(box, width, height)
    if not boxes.area(clipped) >= MIN_BOX_SHARE_INSIDE * boxes.area(box):
        raise _SetAsideError(BOX_OUTSIDE)
    x1, y1, x2, y2 = np.asarray(clipped).tolist()
    return x1, y1, x2, y2


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_PHOTO_BYTES:
            raise _SetAsideError(TOO_LARGE)
        return path.read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise _SetAsideError(MISSING) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


def _decode(content: bytes) -> tuple[Image.Image, int, int]:
    """The decoded photo, and the width and height in which it is stored; a photo that stays comes at an eighth of them."""
    if not content.startswith(MAGIC):
        raise _SetAsideError(NOT_A_PHOTO)
    try:
        photo = Image.open(io.BytesIO(content), formats=["JPEG", "PNG"])
        width, height = photo.size
        if width * height > MAX_PHOTO_PIXELS:
            raise _SetAsideError(TOO_LARGE)
        if _stays(photo):
            # The decoder still reads every coefficient, and so meets the same damage; only the pixels, unused, are fewer.
            photo.draft(None, (1, 1))
        photo.load()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _SetAsideError(TOO_LARGE) from None
    # Pillow's decoders meet damage with any of these.
    except (OSError, SyntaxError, ValueError, EOFError, IndexError):
        raise _SetAsideError(DAMAGED) from None
    if photo.format != "PNG" and not reaches_its_end(content):
        raise _SetAsideError(DAMAGED)
    return photo, width, height


def _stays(photo: Image.Image) -> bool:
    """Whether the dataset takes the photo's bytes as they are."""
    return photo.format != "PNG" and photo.mode == "RGB" and orientation(photo) == AS_STORED


def _as_rgb_jpeg(photo: Image.Image) -> bytes:
    stored = io.BytesIO()
    photo.convert("RGB").save(stored, "JPEG", quality=JPEG_QUALITY)
    return stored.getvalue()
