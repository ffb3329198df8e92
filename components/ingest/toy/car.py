"""Draws one toy car: a transparent picture, cropped to the car's own pixels, so that its frame is the car's box.

A car is a body (`bodies.py`), a trait that can be seen from afar (`traits.py`) and a paint. Body and trait make the class; the
paint does not.
"""

import colorsys

import numpy as np
from PIL import Image, ImageChops

from components.ingest.toy.bodies import Body
from components.ingest.toy.canvas import CHROME, DARK, PALE, Canvas, Colour, rounded, shaded
from components.ingest.toy.traits import TRAITS

OVERSAMPLING = 3
SOLID_ALPHA = 128


def draw_car(body: Body, trait: int, width_px: int, rng: np.random.Generator) -> Image.Image:
    """An RGBA car about `width_px` wide, front to the right, cropped so that every edge touches a pixel of the car."""
    paint = random_paint(rng)
    canvas = Canvas(body, OVERSAMPLING * width_px / body_length_m(body))
    for part in body.dark:
        canvas.polygon(rounded(part), DARK)
    for part in body.cargo:
        canvas.fill(canvas.mask(part), PALE, shaded(PALE, 0.75))
    canvas.fill(canvas.shell, shaded(paint, 1.25), shaded(paint, 0.62))
    _sill(canvas)
    _glass(canvas, paint)
    _seams(canvas, paint)
    _lamps(canvas)
    TRAITS[trait](canvas)
    for x in body.wheels:
        canvas.wheel(x, canvas.wheel_radius)
    return _finished(canvas)


def body_length_m(body: Body) -> float:
    return max(x for part in (body.outline, *body.cargo) for x, _ in part)


def random_paint(rng: np.random.Generator) -> Colour:
    """A car's colour: mostly of any hue, at times white, silver, grey or black."""
    if rng.random() < 0.3:
        grey = int(rng.choice([48, 110, 165, 215]))
        return grey, grey, min(255, grey + 6)
    red, green, blue = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.55, 0.95), rng.uniform(0.5, 0.9))
    return round(255 * red), round(255 * green), round(255 * blue)


def _sill(canvas: Canvas) -> None:
    """The dark lower edge of the shell."""
    low = min(y for _, y in canvas.body.outline)
    strip = canvas.mask([(-1, low - 0.1), (-1, low + 0.14), (20, low + 0.14), (20, low - 0.1)])
    canvas.picture.paste(DARK, mask=ImageChops.darker(strip, canvas.shell))


def _glass(canvas: Canvas, paint: Colour) -> None:
    for pane in canvas.body.glass:
        mask = canvas.mask(rounded(pane, 1))
        canvas.fill(mask, (150, 182, 205), (52, 70, 88))
        left, right = min(x for x, _ in pane), max(x for x, _ in pane)
        middle, bottom, top = (left + right) / 2, min(y for _, y in pane), max(y for _, y in pane)
        glint = canvas.mask([(middle, bottom), (middle + 0.35, top), (middle + 0.6, top), (middle + 0.25, bottom)])
        canvas.picture.paste((205, 224, 236), mask=ImageChops.darker(mask, glint).point(lambda value: value // 2))
        for x in canvas.body.pillars:
            if left < x < right:
                canvas.line([(x, bottom - 0.02), (x, top + 0.03)], shaded(paint, 0.9), 0.08)


def _seams(canvas: Canvas, paint: Colour) -> None:
    body = canvas.body
    low = min(y for _, y in body.outline) + 0.16
    for x in body.doors:
        canvas.line([(x, low), (x, body.waist - 0.03)], shaded(paint, 0.5), 0.025)
    for x in body.doors[1:]:
        canvas.line([(x - 0.32, body.waist - 0.13), (x - 0.14, body.waist - 0.13)], CHROME, 0.04)


def _lamps(canvas: Canvas) -> None:
    outline = canvas.body.outline
    front, low = max(x for x, _ in outline), min(y for _, y in outline)
    y = low + 0.55 * (canvas.body.waist - low)
    lamp = [(front - 0.32, y), (front - 0.3, y + 0.14), (front - 0.06, y + 0.1), (front - 0.05, y - 0.02)]
    canvas.polygon(rounded(lamp), (255, 244, 190))
    canvas.box(0.03, y, 0.15, y + 0.22, (200, 28, 30))


def _finished(canvas: Canvas) -> Image.Image:
    size = (canvas.picture.width // OVERSAMPLING, canvas.picture.height // OVERSAMPLING)
    small = canvas.picture.resize(size, Image.Resampling.BOX)
    return small.crop(car_box(small))


def car_box(picture: Image.Image) -> tuple[int, int, int, int]:
    """The tight half-open box around the pixels that are more car than not."""
    solid = np.asarray(picture.getchannel("A")) >= SOLID_ALPHA
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
