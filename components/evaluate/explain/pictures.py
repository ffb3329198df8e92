"""Three panels side by side: a photo with its predicted box, what speaks for a class, what drives the box; a caption under each."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from components.common import boxes
from components.evaluate.explain.heat import overlay

LONG_PX = 480
GAP_PX = 8
CAPTION_PX = 30
FONT_PX = 18
MIN_FONT_PX = 10
RED = (220, 20, 30)
WHITE = (255, 255, 255)
INK = (28, 36, 48)


def scaled(photo: Image.Image, least_px: int, most_px: int) -> Image.Image:
    """The photo, its longer side brought between the two, its shape kept."""
    long = max(photo.size)
    factor = min(max(long, least_px), most_px) / long
    width, height = (max(1, round(side * factor)) for side in photo.size)
    return photo.resize((width, height), Image.Resampling.LANCZOS)


def panels(
    photo: Image.Image,
    box: boxes.Boxes,
    class_heat: NDArray[np.float32],
    box_heat: NDArray[np.float32],
    captions: Sequence[str],
) -> Image.Image:
    """Draws the three panels.

    Args:
        photo: RGB, of any size; a panel's longer side has 480 pixels.
        box: the predicted one, relative xyxy, `(4,)`.
        class_heat: float32 `(rows, columns)`, 0-1; likewise `box_heat`.
        captions: one a panel; text too wide for its panel is set smaller, then cut.
    """
    photo = scaled(photo, LONG_PX, LONG_PX)
    shown = [_boxed(photo, box), overlay(photo, class_heat), overlay(photo, box_heat)]
    width, height = photo.size
    page = Image.new("RGB", (len(shown) * (width + GAP_PX) + GAP_PX, height + GAP_PX + CAPTION_PX), WHITE)
    draw = ImageDraw.Draw(page)
    for number, (panel, caption) in enumerate(zip(shown, captions, strict=True)):
        left = GAP_PX + number * (width + GAP_PX)
        page.paste(panel, (left, GAP_PX))
        text, font = _fitted(draw, caption, width)
        draw.text((left, GAP_PX + height + CAPTION_PX // 2), text, INK, font, anchor="lm")
    return page


def _boxed(photo: Image.Image, box: boxes.Boxes) -> Image.Image:
    boxed = photo.copy()
    x1, y1, x2, y2 = (float(edge) for edge in boxes.clip(boxes.to_pixels(box, *photo.size), *photo.size))
    if x2 > x1 and y2 > y1:
        draw = ImageDraw.Draw(boxed)
        # Red on white, so that it stands out on any photo.
        draw.rectangle((x1 - 1, y1 - 1, x2, y2), outline=WHITE, width=6)
        draw.rectangle((x1, y1, x2 - 1, y2 - 1), outline=RED, width=3)
    return boxed


def _fitted(draw: ImageDraw.ImageDraw, text: str, width_px: int) -> tuple[str, ImageFont.FreeTypeFont | ImageFont.ImageFont]:
    size = FONT_PX
    while size > MIN_FONT_PX and draw.textlength(text, ImageFont.load_default(size)) > width_px:
        size -= 1
    font = ImageFont.load_default(size)
    while len(text) > 1 and draw.textlength(text, font) > width_px:
        text = f"{text[:-2]}…"
    return text, font
