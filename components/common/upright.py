"""Turns photos that a camera stored sideways, and their boxes, as EXIF says: in the dataset as before a model is asked.

Odd metadata are no reason to doubt the pixels: they neither stop a photo nor turn it.
"""

import struct
import warnings

from PIL import ExifTags, Image

Box = tuple[float, float, float, float]
AS_STORED = 1
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What brings each orientation upright, as in Exif 3.0 (CIPA DC-008), 4.6.5."""
SIDEWAYS = (5, 6, 7, 8)
METADATA = ("exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif")
"""Where Pillow looks for an orientation."""


def orientation(photo: Image.Image) -> int:
    """EXIF's orientation, 1 (as stored) to 8; 1 as well where there is none, or nothing that means one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            stored = photo.getexif().get(ExifTags.Base.Orientation, AS_STORED)
        except (OSError, SyntaxError, ValueError, EOFError, struct.error):
            return AS_STORED
    return int(stored) if stored in range(1, 9) else AS_STORED


def upright(photo: Image.Image) -> Image.Image:
    """The photo as a person sees it, without what would turn it once more."""
    photo.load()  # which turns a TIFF by itself
    if (stored := orientation(photo)) == AS_STORED:
        return photo
    # ImageOps.exif_transpose also writes the metadata anew, and fails where they are odd.
    turned = photo.transpose(TURNS[stored])
    turned.info = {name: value for name, value in turned.info.items() if name not in METADATA}
    return turned


def upright_box(box: Box, orientation: int, width: int, height: int) -> Box:
    """`box` of a photo stored with `width` and `height` pixels and `orientation`, in pixels of the upright photo."""
    x1, y1, x2, y2 = box
    if orientation in (2, 3, 7, 8):
        x1, x2 = width - x2, width - x1
    if orientation in (3, 4, 6, 7):
        y1, y2 = height - y2, height - y1
    return (y1, x1, y2, x2) if orientation in SIDEWAYS else (x1, y1, x2, y2)
