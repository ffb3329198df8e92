"""How a photo looks, in two numbers that no model is needed for."""

import io
import struct
from dataclasses import dataclass

import numpy as np
from PIL import Image

MEASURED_PX = 128
_DECODE_ERRORS = (ArithmeticError, LookupError, OSError, RuntimeError, SyntaxError, TypeError, ValueError, struct.error)


@dataclass(frozen=True)
class Appearance:
    """`width` and `height` of a photo in pixels; `brightness`, its mean luma, 0-255; `sharpness`, the variance of its Laplacian."""

    width: int
    height: int
    brightness: float
    sharpness: float


def measure(photo: bytes) -> Appearance | None:
    """Measures a JPEG or PNG; None where it does not decode.

    The photo is first scaled so that its longer side has 128 px: sharpness depends on the scale. Luma as in JPEG (ITU-R BT.601).
    The variance of the Laplacian is the usual measure of focus (Pech-Pacheco et al., 2000).
    """
    try:
        with Image.open(io.BytesIO(photo)) as image:
            width, height = image.size
            image.draft("L", (2 * MEASURED_PX, 2 * MEASURED_PX))
            scale = MEASURED_PX / max(width, height)
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            luma = np.asarray(image.convert("L").resize(size, Image.Resampling.BILINEAR), np.float32)
    except (*_DECODE_ERRORS, Image.DecompressionBombError):
        return None
    return Appearance(width, height, float(luma.mean()), _laplacian_variance(luma))


def thumbnail(photo: bytes, px: int) -> bytes:
    """The photo as a JPEG of at most `px` x `px` pixels."""
    with Image.open(io.BytesIO(photo)) as image:
        image.draft("RGB", (px, px))
        small = image.convert("RGB")
    small.thumbnail((px, px))
    content = io.BytesIO()
    small.save(content, "JPEG", quality=75)
    return content.getvalue()


def _laplacian_variance(luma: np.ndarray) -> float:
    padded = np.pad(luma, 1, mode="edge")
    around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    return float((around - 4 * luma).var())
