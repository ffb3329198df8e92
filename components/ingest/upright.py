"""Turns photos that a camera stored sideways, and their boxes, as EXIF says and as the client does before it asks a model."""

import struct
import warnings

from PIL import ExifTags, Image, ImageOps

Box = tuple[float, float, float, float]
AS_STORED = 1


def orientation(photo: Image.Image) -> int:
    """EXIF's orientation, 1 (as stored) to 8; 1 as well where there is none, or nothing that means one."""
    with warnings.catch_warnings():
        # Pillow warns of odd metadata, which are no reason to doubt the pixels.
        warnings.simplefilter("ignore")
        try:
            stored = photo.getexif().get(ExifTags.Base.Orientation, AS_STORED)
        except (OSError, SyntaxError, ValueError, EOFError, struct.error):
            return AS_STORED
    return stored if stored in range(1, 9) else AS_STORED


def upright(photo: Image.Image) -> Image.Image:
    """The photo as a person sees it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ImageOps.exif_transpose(photo)


def upright_box(box: Box, orientation: int, width: int, height: int) -> Box:
    """`box` of a photo stored with `width` and `height` pixels and `orientation`, in pixels of the upright photo.

    Orientations as in Exif 3.0 (CIPA DC-008), 4.6.5.
    """
    x1, y1, x2, y2 = box
    if orientation in (2, 3, 7, 8):
        x1, x2 = width - x2, width - x1
    if orientation in (3, 4, 6, 7):
        y1, y2 = height - y2, height - y1
    return (x1, y1, x2, y2) if orientation < 5 else (y1, x1, y2, x2)
