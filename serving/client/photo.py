"""A photo as it is sent: JPEG, upright, gray or RGB, and neither too long nor too heavy.

A JPEG like that goes out byte for byte as it came. Other formats (`FORMATS`), CMYK, a phone's sideways photo and pixels are
converted, so that every server sees what a person sees and takes the request.
"""

import contextlib
import io
import os
import re
import stat
import struct
import tempfile
import urllib.parse
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from components.common.errors import UserError
from components.common.upright import AS_STORED, SIDEWAYS, orientation, upright

MAX_SIDE_PX = 2048
# A request with one such photo stays below gRPC's usual limit of 4 MiB.
MAX_BYTES = 4_000_000
JPEG_QUALITY = 95
FILE_BYTES = 64 << 20
# Of all that Pillow opens, what photos come in: EPS, for one, would be run by Ghostscript.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
# A path or a gs:// or http(s):// address; a file's bytes; pixels uint8 (h, w, 3) or (h, w); an image of Pillow's.
PhotoLike = str | os.PathLike[str] | bytes | NDArray[np.uint8] | Image.Image
_SECRETS = re.compile(r"(?<=://)[^/?#]*@|[?#].*", re.DOTALL)
_DECODE_ERRORS = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)


@dataclass(frozen=True)
class Photo:
    """What is sent for one photo; a box in pixels of `jpeg` times `box_scale` (x, y) is one of the upright photo."""

    jpeg: bytes
    box_scale: tuple[float, float]

    def upright_box(self, box: NDArray[np.float32]) -> tuple[float, float, float, float]:
        """`box` (4,) of what was sent, in pixels of the upright photo."""
        x1, y1, x2, y2 = (box * np.tile(self.box_scale, 2)).tolist()
        return x1, y1, x2, y2


def is_address(photo: PhotoLike) -> bool:
    """Whether it must be fetched."""
    return isinstance(photo, str) and "://" in photo


def name_of(photo: PhotoLike, number: int) -> str:
    """What errors call a photo: its path, its address without secrets, or "photo <number>"."""
    if not isinstance(photo, str | os.PathLike):
        return f"photo {number}"
    name = os.fspath(photo)
    # Also of an address that cannot be parsed. What stands behind ? and # belongs to the name of an object in a bucket.
    return _SECRETS.sub("", name) if is_address(photo) and not name.startswith("gs://") else name


def check_address(address: str, name: str) -> None:
    """Raises UserError (`name` is what it calls the address) where it is none that a photo can be fetched from."""
    from components.common.storage import is_remote

    try:
        parts = urllib.parse.urlsplit(address)
    except ValueError as error:
        raise UserError(f"{name}: expected an address, received something else: {error}") from None
    if not is_remote(address):
        raise UserError(f"{name}: expected a path or an address that begins with gs://, http:// or https://")
    file = urllib.parse.unquote(parts.path).rpartition("/")[2]
    if parts.scheme != "gs" and (not parts.netloc or file in ("", ".", "..")):
        raise UserError(f"{name}: expected the address of a photo, with a host and the name of a file")


def load(photo: PhotoLike, name: str) -> bytes | NDArray[np.uint8] | Image.Image:
    """The bytes of a photo that is given as a path or an address; any other as it is. `name` is for the error.

    Raises:
        UserError: it cannot be read or fetched, is no regular file, or is larger than `FILE_BYTES`.
    """
    if not isinstance(photo, str | os.PathLike):
        return photo
    if is_address(photo):
        from components.common.storage import fetch

        check_address(str(photo), name)
        with tempfile.TemporaryDirectory() as folder:
            return fetch(str(photo), Path(folder), max_bytes=FILE_BYTES).read_bytes()
    try:
        status = Path(photo).stat()
        if not stat.S_ISREG(status.st_mode):
            raise UserError(f"{name}: expected a photo, received something that is no regular file")
        if status.st_size > FILE_BYTES:
            raise UserError(f"{name}: expected a photo of at most {FILE_BYTES} bytes, received {status.st_size}")
        return Path(photo).read_bytes()
    except OSError as error:
        raise UserError(f"{name}: expected a photo, cannot read it: {error.strerror}") from None


def open_upright(photo: PhotoLike, name: str) -> Image.Image:
    """The photo as a person sees it: decoded, turned as its EXIF says, RGB. `name` is for the error.

    Raises:
        UserError: not a photo, cut off, or too large to decode (about 179 megapixels).
    """
    loaded = load(photo, name)
    with _one_line_failures(name):
        return upright(_open(loaded)).convert("RGB")


def prepare(photo: PhotoLike, name: str, max_side_px: int = MAX_SIDE_PX) -> Photo:
    """Makes one photo ready to send: no side above `max_side_px`, at most `MAX_BYTES`. `name` is for the error.

    Raises:
        UserError: as `open_upright`.
    """
    loaded = load(photo, name)
    with _one_line_failures(name):
        image = _open(loaded)
        stored = orientation(image)
        if isinstance(loaded, bytes) and len(loaded) <= MAX_BYTES and stored == AS_STORED and _is_plain(image, max_side_px):
            # Decoded, as small as it goes, to see that all of it is there.
            image.draft(None, (1, 1))
            image.load()
            return Photo(loaded, (1.0, 1.0))
        width, height = image.size[::-1] if stored in SIDEWAYS else image.size
        # Lets a JPEG decode to a fraction of its size where that is enough.
        image.draft(None, (max_side_px, max_side_px))
        sent = upright(image).convert("RGB")
        sent.thumbnail((max_side_px, max_side_px))
        while len(jpeg := _encoded(sent)) > MAX_BYTES:
            sent.thumbnail((sent.width * 3 // 4, sent.height * 3 // 4))
        return Photo(jpeg, (width / sent.width, height / sent.height))


def _open(photo: bytes | NDArray[np.uint8] | Image.Image) -> Image.Image:
    if isinstance(photo, Image.Image):
        return photo.copy()
    if isinstance(photo, bytes):
        return Image.open(io.BytesIO(photo), formats=FORMATS)
    if photo.dtype != np.uint8 or photo.ndim not in (2, 3) or photo.shape[2:] not in ((), (3,)) or not photo.size:
        raise ValueError(f"pixels are uint8 (height, width, 3) or (height, width), received {photo.dtype} {photo.shape}")
    return Image.fromarray(photo)


def _is_plain(image: Image.Image, max_side_px: int) -> bool:
    return image.format == "JPEG" and image.mode in ("L", "RGB") and max(image.size) <= max_side_px


def _encoded(image: Image.Image) -> bytes:
    jpeg = io.BytesIO()
    image.save(jpeg, "JPEG", quality=JPEG_QUALITY)
    return jpeg.getvalue()


@contextlib.contextmanager
def _one_line_failures(name: str) -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            # Pillow warns from 89 megapixels on and of odd metadata; its errors are what counts here.
            warnings.simplefilter("ignore")
            yield
    except _DECODE_ERRORS as error:
        reason = "its format is unknown" if isinstance(error, UnidentifiedImageError) else str(error)
        raise UserError(f"{name}: expected a photo (JPEG, PNG, ...), received something that does not decode: {reason}") from None
