"""A transparent picture in metres, on which a toy car is drawn: polygons, discs, lines, gradients."""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from components.ingest.toy.bodies import Body, Points

Colour = tuple[int, int, int]
MARGIN_M = 0.8
CORNER_M = 0.3
DARK: Colour = (34, 36, 40)
PALE: Colour = (232, 232, 226)
CHROME: Colour = (196, 200, 206)


class Canvas:
    """A transparent picture in metres around one body; `px` is its scale in pixels a metre.

    `unit` is 1 for bodies up to 4.5 m and grows with longer ones, `shell` is the mask of the body's paint, `wheel_radius` that of
    the wheels to come.
    """

    def __init__(self, body: Body, px: float):
        points = [point for part in (body.outline, *body.glass, *body.dark, *body.cargo) for point in part]
        length_m = max(x for x, _ in points)
        self.body = body
        self.px = px
        self.unit = max(1.0, length_m / 4.5)
        self.margin_m = MARGIN_M * self.unit
        self.width_m = length_m + 2 * self.margin_m
        self.height_m = max(y for _, y in points) + 2 * self.margin_m
        self.picture = Image.new("RGBA", (round(self.width_m * px), round(self.height_m * px)))
        self.shell = self.mask(rounded(body.outline))
        self.wheel_radius = body.wheel_radius

    def place(self, points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
        """Metres -> pixels of the canvas."""
        return [((x + self.margin_m) * self.px, (self.height_m - self.margin_m - y) * self.px) for x, y in points]

    def mask(self, points: Sequence[tuple[float, float]]) -> Image.Image:
        mask = Image.new("L", self.picture.size)
        ImageDraw.Draw(mask).polygon(self.place(points), fill=255)
        return mask

    def fill(self, mask: Image.Image, top: Colour, bottom: Colour) -> None:
        """Paints a mask with a vertical gradient over its own height."""
        frame = mask.getbbox()
        if frame is None:
            return
        rows = np.clip((np.arange(mask.height) - frame[1]) / max(frame[3] - frame[1], 1), 0, 1)[:, None, None]
        shade = np.asarray(top) * (1 - rows) + np.asarray(bottom) * rows
        pixels = np.broadcast_to(shade, (mask.height, mask.width, 3)).astype(np.uint8)
        self.picture.paste(Image.fromarray(np.ascontiguousarray(pixels)), mask=mask)

    def polygon(self, points: Sequence[tuple[float, float]], colour: Colour) -> None:
        ImageDraw.Draw(self.picture).polygon(self.place(points), fill=colour)

    def box(self, x1: float, y1: float, x2: float, y2: float, colour: Colour) -> None:
        self.polygon([(x1, y1), (x1, y2), (x2, y2), (x2, y1)], colour)

    def line(self, points: Sequence[tuple[float, float]], colour: Colour, width_m: float) -> None:
        ImageDraw.Draw(self.picture).line(self.place(points), fill=colour, width=max(1, round(width_m * self.px)), joint="curve")

    def disc(self, x: float, y: float, radius: float, colour: Colour) -> None:
        (left, top), (right, bottom) = self.place([(x - radius, y + radius), (x + radius, y - radius)])
        ImageDraw.Draw(self.picture).ellipse((left, top, right, bottom), fill=colour)

    def wheel(self, x: float, radius: float) -> None:
        self.disc(x, radius, radius * 1.14, (24, 24, 26))
        self.disc(x, radius, radius, (44, 44, 48))
        self.disc(x, radius, radius * 0.62, CHROME)
        for angle in np.arange(5) * 2 * np.pi / 5:
            tip = (x + radius * 0.58 * np.sin(angle), radius + radius * 0.58 * np.cos(angle))
            self.line([(x, radius), tip], (120, 124, 130), radius * 0.16)
        self.disc(x, radius, radius * 0.16, DARK)

    def top(self, x: float) -> float:
        """The highest y of the car's outline above x, in metres."""
        heights = [0.0]
        for part in (self.body.outline, *self.body.cargo):
            for (a, b), (c, d) in zip(part, part[1:] + part[:1], strict=True):
                if min(a, c) <= x <= max(a, c):
                    heights.append(max(b, d) if a == c else b + (d - b) * (x - a) / (c - a))
        return max(heights)


def rounded(points: Sequence[tuple[float, float]], rounds: int = 2) -> Points:
    """Chaikin's corner cutting: every round replaces a corner by two points, at most CORNER_M along its edges."""
    current = list(points)
    for _ in range(rounds):
        following = current[1:] + current[:1]
        smoother: Points = []
        for (a, b), (c, d) in zip(current, following, strict=True):
            cut = min(0.22, CORNER_M / max(math.hypot(c - a, d - b), CORNER_M))
            smoother += [(a + (c - a) * t, b + (d - b) * t) for t in (cut, 1 - cut)]
        current = smoother
    return current


def shaded(colour: Colour, factor: float) -> Colour:
    red, green, blue = (min(255, round(channel * factor)) for channel in colour)
    return red, green, blue
