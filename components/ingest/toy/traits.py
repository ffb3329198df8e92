"""What tells toy cars of one body apart: fourteen traits that show at 96 px. Each draws on a car that lacks only its wheels."""

from collections.abc import Callable

import numpy as np
from PIL import ImageChops

from components.ingest.toy.canvas import DARK, PALE, Canvas, Colour, rounded

ORANGE: Colour = (240, 140, 30)
YELLOW: Colour = (250, 210, 40)
BLUE: Colour = (40, 90, 230)
RED: Colour = (225, 40, 40)


def plain(canvas: Canvas) -> None:
    """Nothing more."""


def luggage(canvas: Canvas) -> None:
    """Cases on a rack."""
    left, right, y = canvas.body.roof
    u = canvas.unit
    canvas.box(left, y, right, y + 0.08 * u, DARK)
    third = (right - left) / 3
    for i, (height, colour) in enumerate([(0.3, (120, 72, 40)), (0.42, (168, 124, 74)), (0.26, (84, 96, 60))]):
        canvas.box(left + i * third + 0.03, y + 0.08 * u, left + (i + 1) * third, y + (0.08 + height) * u, colour)


def stripe(canvas: Canvas) -> None:
    """A broad pale stripe along the side."""
    _band(canvas, _middle(canvas) - 0.02, canvas.body.waist - 0.04, PALE)


def big_wheels(canvas: Canvas) -> None:
    """Wheels half as large again."""
    canvas.wheel_radius *= 1.5


def taxi(canvas: Canvas) -> None:
    """A sign on the roof and a chequered band."""
    u = canvas.unit
    _on_roof(canvas, -0.35, 0.35, YELLOW)
    top, square = canvas.body.waist - 0.06, 0.16 * u
    _band(canvas, top - 2 * square, top, PALE)
    for i, x in enumerate(np.arange(0, canvas.width_m, square)):
        low = top - (2 if i % 2 else 1) * square
        _band(canvas, low, low + square, DARK, float(x), float(x) + square)


def two_tone(canvas: Canvas) -> None:
    """A near-black lower half."""
    _band(canvas, 0, _middle(canvas) + 0.1, DARK)


def spoiler(canvas: Canvas) -> None:
    """A high wing over the tail."""
    u, deck = canvas.unit, canvas.top(0.35)
    canvas.line([(0.35, deck - 0.1), (0.3, deck + 0.32 * u)], DARK, 0.1 * u)
    wing = [(-0.15, 0.5), (-0.1, 0.3), (0.75, 0.26), (0.75, 0.36)]
    canvas.polygon([(x * u, deck + y * u) for x, y in wing], RED)


def roof_box(canvas: Canvas) -> None:
    """A long dark box on the roof."""
    left, right, y = canvas.body.roof
    u = canvas.unit
    canvas.polygon(rounded([(left, y), (left, y + 0.34 * u), (right - 0.3, y + 0.38 * u), (right + 0.1, y + 0.04)]), DARK)


def race_number(canvas: Canvas) -> None:
    """A white disc with a 1 on the side."""
    u = canvas.unit
    x, y = sum(canvas.body.wheels) / 2, _middle(canvas) + 0.12 * u
    canvas.disc(x, y, 0.4 * u, DARK)
    canvas.disc(x, y, 0.36 * u, PALE)
    canvas.box(x - 0.05 * u, y - 0.22 * u, x + 0.05 * u, y + 0.22 * u, DARK)


def bull_bar(canvas: Canvas) -> None:
    """A guard of pipes before the nose."""
    front, u = max(x for x, _ in canvas.body.outline), canvas.unit
    low, high = min(y for _, y in canvas.body.outline), canvas.body.waist
    tip = front + 0.3 * u
    canvas.line([(front - 0.2, low), (tip, low), (tip, high), (front - 0.1, high)], DARK, 0.14 * u)


def spare_wheel(canvas: Canvas) -> None:
    """A spare wheel on the tail, in a yellow cover."""
    radius, y = 0.36 * canvas.unit, _middle(canvas) + 0.2
    canvas.disc(0, y, radius, DARK)
    canvas.disc(0, y, radius * 0.7, YELLOW)


def light_bar(canvas: Canvas) -> None:
    """Red and blue lights on the roof."""
    _on_roof(canvas, -0.5, 0, BLUE)
    _on_roof(canvas, 0, 0.5, RED)


def surfboard(canvas: Canvas) -> None:
    """A bright board on the roof, longer than it."""
    left, right, y = canvas.body.roof
    u = canvas.unit
    canvas.polygon(rounded([(left - 0.5, y + 0.24 * u), (left, y), (right + 0.2, y), (right + 0.6, y + 0.4 * u)]), ORANGE)


def dots(canvas: Canvas) -> None:
    """Pale dots all over the side."""
    before, u = canvas.picture.copy(), canvas.unit
    low = min(y for _, y in canvas.body.outline)
    for row, y in enumerate(np.arange(low + 0.25, canvas.body.waist, 0.3 * u)):
        for x in np.arange(0.2 + 0.2 * (row % 2), canvas.width_m, 0.42 * u):
            canvas.disc(float(x), float(y), 0.11 * u, PALE)
    canvas.picture.paste(before, mask=ImageChops.invert(canvas.shell))


TRAITS: list[Callable[[Canvas], None]] = [
    taxi,
    stripe,
    plain,
    race_number,
    dots,
    two_tone,
    surfboard,
    big_wheels,
    luggage,
    spoiler,
    roof_box,
    bull_bar,
    spare_wheel,
    light_bar,
]


def _middle(canvas: Canvas) -> float:
    """Half-way up the painted side."""
    return (min(y for _, y in canvas.body.outline) + canvas.body.waist) / 2


def _on_roof(canvas: Canvas, x1: float, x2: float, colour: Colour) -> None:
    """A sign on the middle of the roof."""
    left, right, y = canvas.body.roof
    middle, u = (left + right) / 2, canvas.unit
    canvas.box(middle + x1 * u, y, middle + x2 * u, y + 0.28 * u, colour)


def _band(canvas: Canvas, y1: float, y2: float, colour: Colour, x1: float = -1, x2: float = 20) -> None:
    """A horizontal band of the shell."""
    band = canvas.mask([(x1, y1), (x1, y2), (x2, y2), (x2, y1)])
    canvas.picture.paste(colour, mask=ImageChops.darker(band, canvas.shell))
