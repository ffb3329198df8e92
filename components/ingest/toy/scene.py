"""Puts a toy car into a photo: a place, a time of day, something in front of the car, a camera that is not perfect."""

import io

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from components.ingest.toy.bodies import Body
from components.ingest.toy.canvas import Colour
from components.ingest.toy.car import car_box, draw_car

CAR_WIDTH_SHARES = (0.65, 0.95)
MAX_CAR_HEIGHT_SHARE = 0.8
MAX_TILT_DEG = 4
MAX_HIDDEN_SHARE = 0.12
Box = tuple[int, int, int, int]


def draw_photo(body: Body, trait: int, rng: np.random.Generator) -> tuple[bytes, Box]:
    """A JPEG, 128 x 96 to 192 x 144 px, and the car's exact box in it, 0-based and half-open.

    What stands before the car hides a little of it; the box spans the whole car all the same.
    """
    width = int(rng.integers(128, 193))
    height = round(width * rng.uniform(0.7, 0.8))
    photo, horizon = _place(width, height, rng)
    car = _car(body, trait, width, height, rng)
    left = int(rng.integers(0, width - car.width + 1))
    lowest = height - car.height
    top = int(np.clip(rng.integers(horizon, height) - 0.85 * car.height, min(2, lowest), lowest))
    box = (left, top, left + car.width, top + car.height)
    _shadow(photo, box)
    photo.paste(car, (left, top), car)
    if rng.random() < 0.5:
        _hide_a_little(photo, box, rng)
    return _exposed(photo, rng), box


def _car(body: Body, trait: int, width: int, height: int, rng: np.random.Generator) -> Image.Image:
    car = draw_car(body, trait, round(width * rng.uniform(*CAR_WIDTH_SHARES)), rng)
    car = car.rotate(rng.uniform(-MAX_TILT_DEG, MAX_TILT_DEG), Image.Resampling.BICUBIC, expand=True)
    if rng.random() < 0.5:
        car = car.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    fit = min(1.0, 0.95 * width / car.width, MAX_CAR_HEIGHT_SHARE * height / car.height)
    car = car.resize((max(1, round(car.width * fit)), max(1, round(car.height * fit))), Image.Resampling.BICUBIC)
    return car.crop(car_box(car))


def _place(width: int, height: int, rng: np.random.Generator) -> tuple[Image.Image, int]:
    """A sky, something on the horizon, a ground; and the horizon's row."""
    horizon = round(height * rng.uniform(0.4, 0.62))
    night = rng.random() < 0.15
    skies = (
        [((20, 26, 52), (70, 66, 96))]
        if night
        else [((96, 156, 220), (206, 226, 240)), ((150, 160, 172), (214, 216, 218)), ((240, 160, 110), (250, 222, 180))]
    )
    sky = skies[int(rng.integers(len(skies)))]
    grounds: list[Colour] = [(92, 94, 98), (126, 122, 114), (98, 128, 70), (196, 178, 136), (222, 226, 232)]
    ground = grounds[int(rng.integers(len(grounds)))]
    photo = Image.new("RGB", (width, height))
    photo.paste(_gradient(width, horizon, *sky), (0, 0))
    far = tuple(round(channel * 0.8) for channel in ground)
    photo.paste(_gradient(width, height - horizon, (far[0], far[1], far[2]), ground), (0, horizon))
    [_buildings, _trees, _hills][int(rng.integers(3))](ImageDraw.Draw(photo), width, horizon, rng)
    if rng.random() < 0.6:
        _road(ImageDraw.Draw(photo), width, height, horizon, rng)
    return photo, horizon


def _gradient(width: int, height: int, top: Colour, bottom: Colour) -> Image.Image:
    rows = np.linspace(0, 1, max(height, 1))[:, None, None]
    shade = np.asarray(top) * (1 - rows) + np.asarray(bottom) * rows
    return Image.fromarray(np.ascontiguousarray(np.broadcast_to(shade, (len(rows), width, 3)).astype(np.uint8)))


def _buildings(draw: ImageDraw.ImageDraw, width: int, horizon: int, rng: np.random.Generator) -> None:
    x = 0
    while x < width:
        wide, tall = int(rng.integers(14, 44)), int(rng.integers(horizon // 3, horizon))
        tone = int(rng.integers(70, 190))
        warm = int(rng.integers(-18, 26))
        draw.rectangle((x, horizon - tall, x + wide, horizon), fill=(tone + warm, tone, tone - warm))
        pane = (240, 220, 150) if rng.random() < 0.3 else (tone // 2, tone // 2 + 10, tone // 2 + 20)
        for y in range(horizon - tall + 4, horizon - 6, 9):
            for left in range(x + 4, x + wide - 5, 8):
                draw.rectangle((left, y, left + 3, y + 4), fill=pane)
        x += wide + int(rng.integers(0, 6))


def _trees(draw: ImageDraw.ImageDraw, width: int, horizon: int, rng: np.random.Generator) -> None:
    for _ in range(int(rng.integers(4, 12))):
        x, radius = int(rng.integers(0, width)), int(rng.integers(7, 18))
        green = int(rng.integers(70, 140))
        draw.rectangle((x - 1, horizon - 2 * radius, x + 2, horizon + 1), fill=(84, 62, 44))
        for _ in range(4):
            dx, dy = (int(value) for value in rng.integers(-radius // 2, radius // 2 + 1, 2))
            y = horizon - 2 * radius + dy
            shade = green + int(rng.integers(-14, 15))
            draw.ellipse((x + dx - radius, y - radius, x + dx + radius, y + radius), fill=(shade // 2, shade, shade // 3))


def _hills(draw: ImageDraw.ImageDraw, width: int, horizon: int, rng: np.random.Generator) -> None:
    for depth in (0.55, 0.3):
        xs = np.linspace(-10, width + 10, 6)
        ys = horizon - horizon * depth * rng.uniform(0.3, 1.0, 6)
        tone = int(rng.integers(80, 150))
        points = [(-10.0, float(horizon)), *zip(xs.tolist(), ys.tolist(), strict=True), (width + 10.0, float(horizon))]
        draw.polygon(points, fill=(tone - 20, tone, tone + int(rng.integers(-30, 30))))


def _road(draw: ImageDraw.ImageDraw, width: int, height: int, horizon: int, rng: np.random.Generator) -> None:
    tone = int(rng.integers(60, 110))
    top = horizon + int(rng.integers(4, 12))
    draw.rectangle((0, top, width, height), fill=(tone, tone, tone + 4))
    draw.line((0, top, width, top), fill=(tone + 60, tone + 60, tone + 56), width=2)
    y = int(rng.integers(top + 6, height))
    for x in range(int(rng.integers(-20, 0)), width, 30):
        draw.rectangle((x, y, x + 16, y + 2), fill=(224, 222, 206))


def _shadow(photo: Image.Image, box: Box) -> None:
    left, _, right, bottom = box
    depth = max(3, (right - left) // 16)
    shade = Image.new("L", photo.size)
    ImageDraw.Draw(shade).ellipse((left, bottom - depth, right, bottom + depth // 2), fill=130)
    photo.paste((12, 12, 16), mask=shade.filter(ImageFilter.GaussianBlur(1.5)))


def _hide_a_little(photo: Image.Image, box: Box, rng: np.random.Generator) -> None:
    """A post, a bush or a cone before the car, over at most MAX_HIDDEN_SHARE of its width."""
    left, top, right, bottom = box
    draw = ImageDraw.Draw(photo)
    wide = max(2, round((right - left) * rng.uniform(0.03, MAX_HIDDEN_SHARE)))
    x = int(rng.integers(left, right - wide))
    kind = int(rng.integers(3))
    if kind == 0:
        tone = int(rng.integers(60, 150))
        draw.rectangle((x, top - 8, x + wide // 2, bottom + 4), fill=(tone, tone, tone - 6))
    elif kind == 1:
        for _ in range(5):
            dx, dy = int(rng.integers(0, wide)), int(rng.integers(0, wide))
            green = int(rng.integers(70, 130))
            draw.ellipse((x + dx - 4, bottom - dy - 6, x + dx + 5, bottom - dy + 6), fill=(green // 2, green, green // 3))
    else:
        tall = (bottom - top) // 3
        draw.polygon([(x, bottom + 3), (x + wide // 2, bottom - tall), (x + wide, bottom + 3)], fill=(236, 104, 30))
        draw.line((x + wide // 4, bottom - tall // 3, x + 3 * wide // 4, bottom - tall // 3), fill=(240, 240, 236), width=2)


def _exposed(photo: Image.Image, rng: np.random.Generator) -> bytes:
    photo = ImageEnhance.Brightness(photo).enhance(rng.uniform(0.7, 1.25))
    photo = ImageEnhance.Contrast(photo).enhance(rng.uniform(0.8, 1.15))
    photo = photo.filter(ImageFilter.GaussianBlur(rng.uniform(0, 0.8)))
    noise = rng.normal(0, rng.uniform(1, 6), (photo.height, photo.width, 3))
    noisy = np.clip(np.asarray(photo) + noise, 0, 255).astype(np.uint8)
    stored = io.BytesIO()
    Image.fromarray(noisy).save(stored, "JPEG", quality=int(rng.integers(82, 94)))
    return stored.getvalue()
