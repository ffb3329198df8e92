"""What tells toy cars of one body apart: fourteen traits that show at 96 px. Each draws on a finished car."""

from collections.abc import Callable

import numpy as np
from PIL import ImageChops

from components.ingest.toy.canvas import CHROME, DARK, PALE, Canvas, Colour, rounded

ORANGE: Colour = (240, 140, 30)
YELLOW: Colour = (250, 210, 40)
BLUE: Colour = (40, 90, 230)
RED: Colour = (225, 40, 40)


def plain(canvas: Canvas) -> None:
    """Nothing more."""


def luggage(canvas: Canvas) -> None:
    """Cases on a rack."""
    left, right, y = canvas.body.roof
    canvas.box(left, y, right, y + 0.08, DARK)
    third = (right - left) / 3
    for i, (height, colour) in enumerate([(0.3, (120, 72, 40)), (0.42, (168, 124, 74)), (0.26, (84, 96, 60))]):
        canvas.box(left + i * third + 0.03, y + 0.08, left + (i + 1) * third, y + 0.08 + height, colour)


def stripe(canvas: Canvas) -> None:
    """A broad pale stripe along the side."""
    _band(canvas, _middle(canvas) - 0.02, canvas.body.waist - 0.04, PALE)


def two_tone(canvas: Canvas) -> None:
    """A near-black lower half."""
    _band(canvas, 0, _middle(canvas) + 0.1, DARK)


def taxi(canvas: Canvas) -> None:
    """A sign on the roof and a chequered band."""
    left, right, y = canvas.body.roof
    middle = (left + right) / 2
    canvas.box(middle - 0.35, y, middle + 0.35, y + 0.3, YELLOW)
    top = canvas.body.waist - 0.06
    _band(canvas, top - 0.32, top, PALE)
    for i, x in enumerate(np.arange(0, canvas.width_m, 0.16)):
        _band(canvas, *((top - 0.32, top - 0.16) if i % 2 else (top - 0.16, top)), DARK, float(x), float(x) + 0.16)


def big_wheels(canvas: Canvas) -> None:
    """Wheels half as large again."""
    for x in canvas.body.wheels:
        canvas.wheel(x, canvas.body.wheel_radius * 1.5)


def spoiler(canvas: Canvas) -> None:
    """A high wing over the tail."""
    deck = canvas.top(0.35)
    canvas.line([(0.35, deck - 0.1), (0.3, deck + 0.32)], DARK, 0.1)
    canvas.polygon([(-0.15, deck + 0.5), (-0.1, deck + 0.3), (0.75, deck + 0.26), (0.75, deck + 0.36)], RED)


def roof_box(canvas: Canvas) -> None:
    """A long dark box on the roof."""
    left, right, y = canvas.body.roof
    canvas.polygon(rounded([(left, y), (left, y + 0.34), (right - 0.3, y + 0.38), (right + 0.1, y + 0.04)]), DARK)


def race_number(canvas: Canvas) -> None:
    """A white disc with a 1 on the side."""
    x, y = sum(canvas.body.wheels) / 2, _middle(canvas) + 0.12
    canvas.disc(x, y, 0.4, DARK)
    canvas.disc(x, y, 0.36, PALE)
    canvas.box(x - 0.05, y - 0.22, x + 0.05, y + 0.22, DARK)


def bull_bar(canvas: Canvas) -> None:
    """A guard of pipes before the nose."""
    front = max(x for x, _ in canvas.body.outline)
    low, high = min(y for _, y in canvas.body.outline), canvas.body.waist
    canvas.line([(front - 0.2, low), (front + 0.35, low), (front + 0.35, high), (front - 0.1, high)], CHROME, 0.14)


def spare_wheel(canvas: Canvas) -> None:
    """A spare wheel on the tail, seen from its side."""
    radius = 0.36
    y = _middle(canvas) + 0.2
    canvas.disc(-0.18, y, radius, DARK)
    canvas.disc(-0.18, y, radius * 0.7, YELLOW)


def light_bar(canvas: Canvas) -> None:
    """Red and blue lights on the roof."""
    left, right, y = canvas.body.roof
    middle = (left + right) / 2
    canvas.box(middle - 0.5, y, middle, y + 0.26, BLUE)
    canvas.box(middle, y, middle + 0.5, y + 0.26, RED)


def surfboard(canvas: Canvas) -> None:
    """A bright board on the roof, longer than it."""
    left, right, y = canvas.body.roof
    canvas.polygon(rounded([(left - 0.5, y + 0.22), (left, y + 0.06), (right + 0.2, y + 0.06), (right + 0.8, y + 0.4)]), ORANGE)


def dots(canvas: Canvas) -> None:
    """Pale dots all over the side."""
    before = canvas.picture.copy()
    low = min(y for _, y in canvas.body.outline)
    for row, y in enumerate(np.arange(low + 0.25, canvas.body.waist, 0.3)):
        for x in np.arange(0.2 + 0.2 * (row % 2), canvas.width_m, 0.42):
            canvas.disc(float(x), float(y), 0.11, PALE)
    canvas.picture.paste(before, mask=ImageChops.invert(canvas.shell))


TRAITS: list[Callable[[Canvas], None]] = [
    plain,
    luggage,
    stripe,
    big_wheels,
    taxi,
    two_tone,
    spoiler,
    roof_box,
    race_number,
    bull_bar,
    spare_wheel,
    light_bar,
    surfboard,
    dots,
]


def _middle(canvas: Canvas) -> float:
    """Half-way up the painted side."""
    return (min(y for _, y in canvas.body.outline) + canvas.body.waist) / 2


def _band(canvas: Canvas, y1: float, y2: float, colour: Colour, x1: float = -1, x2: float = 20) -> None:
    """A horizontal band of the shell."""
    band = canvas.mask([(x1, y1), (x1, y2), (x2, y2), (x2, y1)])
    canvas.picture.paste(colour, mask=ImageChops.darker(band, canvas.shell))
