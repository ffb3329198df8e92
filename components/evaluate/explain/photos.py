"""Photos from files, as a person sees them and as the network does.

A JPEG that is upright goes to the network byte for byte; anything else that Pillow reads (PNG, WebP, a phone's sideways photo) is
made one first.
"""

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from PIL import Image

from components.common.errors import UserError
from components.common.pixels import load
from components.common.upright import AS_STORED, orientation, upright

JPEG_QUALITY = 95


@dataclass(frozen=True)
class Photo:
    """A photo: its file's `stem`, `image` RGB and upright, the same as `jpeg`, and `pixels` uint8 `(image_px, image_px, 3)`."""

    stem: str
    image: Image.Image
    jpeg: bytes
    pixels: NDArray[np.uint8]


def read_photo(path: Path, image_px: int) -> Photo:
    """Reads a photo for a network of that size.

    Raises:
        UserError: no such file, or not a whole photo.
    """
    if not path.is_file():
        raise UserError(f"{path}: expected a photo, found {'a folder' if path.is_dir() else 'no such file'}")
    content = path.read_bytes()
    try:
        with warnings.catch_warnings():
            # Pillow warns of large photos and odd metadata; only what stops it counts here.
            warnings.simplefilter("ignore")
            stored = Image.open(io.BytesIO(content))
            sent = stored.format == "JPEG" and stored.mode in ("L", "RGB") and orientation(stored) == AS_STORED
            image = upright(stored).convert("RGB")
        jpeg = content if sent else _jpeg(image)
        return Photo(path.stem, image, jpeg, load(jpeg, image_px).numpy())
    # What Pillow's decoders raise of damage, and TensorFlow's of what Pillow lets pass.
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError, tf.errors.InvalidArgumentError) as error:
        raise UserError(
            f"{path}: expected a photo (JPEG, PNG, ...), whole, received what does not decode ({type(error).__name__})"
        ) from None


def _jpeg(image: Image.Image) -> bytes:
    content = io.BytesIO()
    image.save(content, "JPEG", quality=JPEG_QUALITY)
    return content.getvalue()
