"""A photo as it is sent: JPEG, upright, gray or RGB, and not needlessly large.

Such a photo goes out byte for byte as it came. Anything else that Pillow reads (PNG, WebP, CMYK, a phone's sideways photo, one
longer than `SENT_SIDE_PX`) is converted, so that every server sees what a person sees.
"""

import io
import struct
import warnings
from dataclasses import dataclass

from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from components.common.errors import UserError

SENT_SIDE_PX = 4096
JPEG_QUALITY = 95
_DECODE_ERRORS = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)


@dataclass(frozen=True)
class Photo:
    """What is sent for one photo; a box in pixels of `jpeg` times `box_scale` (x, y) is one of the upright photo."""

    jpeg: bytes
    box_scale: tuple[float, float]


def open_upright(data: bytes, name: str) -> Image.Image:
    """The photo as a person sees it: decoded, turned as its EXIF says, RGB. `name` is for the error.

    Raises:
        UserError: not an image, cut off, or too large to decode (about 179 megapixels).
    """
    return _upright(_decode(data, name), name)


def prepare(data: bytes, name: str) -> Photo:
    """Makes one photo ready to send. `name` is for the error.

    Raises:
        UserError: as `open_upright`.
    """
    image = _decode(data, name)
    if image.format == "JPEG" and image.mode in ("L", "RGB") and max(image.size) <= SENT_SIDE_PX and _is_upright(image, name):
        return Photo(data, (1.0, 1.0))
    upright = _upright(image, name)
    sent = upright.copy()
    sent.thumbnail((SENT_SIDE_PX, SENT_SIDE_PX))
    jpeg = io.BytesIO()
    sent.save(jpeg, "JPEG", quality=JPEG_QUALITY)
    return Photo(jpeg.getvalue(), (upright.width / sent.width, upright.height / sent.height))


def _decode(data: bytes, name: str) -> Image.Image:
    try:
        with warnings.catch_warnings():
            # Pillow warns from 89 megapixels on and of odd metadata; its errors are what counts here.
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data))
            image.load()
            return image
    except _DECODE_ERRORS as error:
        raise _not_an_image(name, error) from None


def _is_upright(image: Image.Image, name: str) -> bool:
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1) == 1
    except _DECODE_ERRORS as error:
        raise _not_an_image(name, error) from None


def _upright(image: Image.Image, name: str) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image).convert("RGB")
    except _DECODE_ERRORS as error:
        raise _not_an_image(name, error) from None


def _not_an_image(name: str, error: Exception) -> UserError:
    reason = "its format is unknown" if isinstance(error, UnidentifiedImageError) else str(error)
    return UserError(f"{name}: expected a photo (JPEG, PNG, ...), received something that does not decode: {reason}")
