"""A photo saved with its predicted box and label, readable on any background."""

import math
from pathlib import Path

import numpy as np
from PIL import ImageDraw, ImageFont

from components.common import boxes
from components.common.whole import whole_file
from serving.client.photo import PhotoLike, open_upright
from serving.client.wire import Prediction

RED = (220, 20, 30)
WHITE = (255, 255, 255)
MIN_FONT_PX = 10
READABLE_PX = 480


def save_annotated(photo: PhotoLike, prediction: Prediction, path: Path, name: str) -> None:
    """Writes the upright photo with the box in red (on white) and the best label on a red plate, as JPEG, whole or not at all.

    A photo shorter than `READABLE_PX` is enlarged, so that the text can be read.

    Raises:
        UserError: the photo does not decode (`name` is what the error calls it).
    """
    image = open_upright(photo, name)
    scale = math.ceil(READABLE_PX / max(image.size))
    image = image.resize((image.width * scale, image.height * scale))
    draw = ImageDraw.Draw(image)
    line_px = max(2, max(image.size) // 250)
    x1, y1, x2, y2 = (float(edge) for edge in boxes.clip(np.multiply(prediction.box, scale), image.width, image.height))
    if x2 > x1 and y2 > y1:
        for grow_px, colour, width_px in ((line_px // 2, WHITE, 2 * line_px), (0, RED, line_px)):
            corners = (x1 - grow_px, y1 - grow_px, x2 - 1 + grow_px, y2 - 1 + grow_px)
            draw.rectangle(corners, outline=colour, width=width_px)
    _draw_label(draw, image.size, f"{prediction.labels[0]}  {prediction.scores[0]:.0%}", (x1, y1), 2 * line_px)
    with whole_file(path) as partial:
        image.save(partial, "JPEG", quality=92)


def _draw_label(draw: ImageDraw.ImageDraw, size: tuple[int, int], text: str, corner: tuple[float, float], padding_px: int) -> None:
    """Above the box's upper left corner, or inside it where the frame ends; the font shrinks until the text fits."""
    width, height = size
    font = _fitting_font(draw, text, width - 2 * padding_px, max(size) // 28)
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    plate_width, plate_height = right - left + 2 * padding_px, bottom - top + 2 * padding_px
    x = max(0.0, min(corner[0], width - plate_width))
    y = corner[1] - plate_height if corner[1] >= plate_height else min(corner[1], max(0, height - plate_height))
    draw.rectangle((x, y, x + plate_width, y + plate_height), fill=RED)
    draw.text((x + padding_px - left, y + padding_px - top), text, fill=WHITE, font=font)


def _fitting_font(
    draw: ImageDraw.ImageDraw, text: str, width_px: int, font_px: int
) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    font_px = max(font_px, MIN_FONT_PX)
    while font_px > MIN_FONT_PX and draw.textlength(text, ImageFont.load_default(font_px)) > width_px:
        font_px -= 1
    return ImageFont.load_default(font_px)


def output_paths(photos: list[Path], folder: Path) -> list[Path]:
    """`folder/<stem>-predicted.jpg` for every photo, numbered where two photos share a stem; never a photo's own path."""
    taken = {photo.name for photo in photos if photo.resolve().parent == folder.resolve()}
    paths = []
    for photo in photos:
        name, number = f"{photo.stem}-predicted.jpg", 1
        while name in taken:
            number += 1
            name = f"{photo.stem}-predicted-{number}.jpg"
        taken.add(name)
        paths.append(folder / name)
    return paths
