"""The augmentation chain in the TensorFlow graph, on whole batches: the default where a GPU trains.

The same families and strengths as the published chain. Every photo draws its own geometry (mirror, crop, affine, displacement),
which is one bilinear warp, and 0-5 of `FAMILIES`, applied in the order blur, superpixels, 3x3 kernels, colours, noise, dropout:

- blur is Gaussian, for average and median too; superpixels are means over blocks;
- the 3x3 kernels that a photo draws become one: the sum of their changes;
- its colour changes become one affine map of RGB, composed in a random order;
- elastic moves the sample of each pixel on its own; piecewise affine moves a grid of points, and the box follows along its outline.

Lengths in pixels are meant for photos of `PUBLISHED_PX` and scale with the photo. There is no state: `seed` decides everything.
XLA compiles the work on pixels, on CPU and GPU alike, to a few passes over the photo: once per process and shape, in seconds. The
functions below are compiled one by one because XLA, given them as one, computes again for every pixel what neighbours share.
"""

import math
from collections.abc import Sequence

import tensorflow as tf

from components.train.augment import KEPT_SHARE, MAX_DRAWS

FAMILIES = (
    *("superpixels", "blur", "blended sharpen", "sharpen", "emboss", "edges", "noise", "dropout"),
    *("invert", "add", "multiply", "grayscale", "contrast", "elastic", "piecewise affine"),
)
AFFINE = ("scale", "translate", "rotate", "shear")
PUBLISHED_PX = 224
STAGES = 4
NUMBERS = 160  # random numbers of a photo in a stage, at most
GRID = 4  # points a side that piecewise affine moves
GEOMETRIES = MAX_DRAWS + 1  # the last one moves nothing

Drawn = dict[str, tf.Tensor]


def augment(
    photos: tf.Tensor, boxes: tf.Tensor, seed: tf.Tensor, strength: float = 1.0, randaugment: int = 0
) -> tuple[tf.Tensor, tf.Tensor]:
    """Augments a batch.

    Args:
        photos: uint8 `(n, height, width, 3)`.
        boxes: float32 `(n, 4)`, relative.
        seed: int64 `(2,)`; the same seed gives the same result.
        strength: 0-1, scales every range; 0 changes nothing but mirrors.
        randaugment: 0 for the published chain; else RandAugment (Cubuk et al. 2020): mirror and crop as published, then exactly
            so many different ones of `FAMILIES` and `AFFINE` (at most all 19), each at its largest magnitude times `strength`.

    Returns:
        uint8 photos and float32 boxes of the same shapes.
    """
    numbers = tf.unstack(uniform_numbers([STAGES, tf.shape(photos)[0], NUMBERS], seed))
    drawn = _drawn(numbers[0], randaugment)
    reach, largest = tf.constant(strength, tf.float32), randaugment > 0  # a tensor, so that no strength is compiled anew
    origins, moved = _geometry(photos, boxes, numbers[1], drawn, reach, largest)
    pixels = _sampled(photos, origins)
    blurred, share = _half_blurred(pixels, numbers[2], drawn, reach, largest)
    pixels, blocks = _blocks(pixels, _doubled(blurred), share, numbers[2], drawn, reach, largest)
    pixels = _replaced(pixels, blocks)
    pixels = _changed(pixels, numbers[3], drawn, reach, largest)
    return tf.ensure_shape(pixels, photos.shape), tf.ensure_shape(moved, boxes.shape)


def uniform_numbers(shape: Sequence[int | tf.Tensor], seed: tf.Tensor) -> tf.Tensor:
    """0-1, from the bits: TensorFlow's own floats of a seed are others where an outer function is compiled by XLA."""
    return _uniform(tf.random.stateless_uniform(shape, seed, None, None, tf.uint32, alg="philox"))


class _Draws:
    """Hands out the columns of a table of uniform numbers, a row per photo, each column once."""

    def __init__(self, numbers: tf.Tensor, largest: bool) -> None:
        self.numbers, self.largest, self.used = numbers, largest, 0

    def uniform(self, *shape: int) -> tf.Tensor:
        """0-1."""
        first, self.used = self.used, self.used + math.prod(shape)
        return tf.reshape(self.numbers[:, first : self.used], [tf.shape(self.numbers)[0], *shape])

    def amount(self, *shape: int) -> tf.Tensor:
        """0-1: how much of a range is used; always 1 where every magnitude is the largest."""
        drawn = self.uniform(*shape)
        return tf.ones_like(drawn) if self.largest else drawn

    def signed(self, *shape: int) -> tf.Tensor:
        """-1 to 1; always one of the two where every magnitude is the largest."""
        drawn = 2 * self.uniform(*shape) - 1
        return tf.where(drawn < 0, -1.0, 1.0) if self.largest else drawn

    def coin(self) -> tf.Tensor:
        """0 or 1."""
        return tf.round(self.uniform())

    def half(self) -> tf.Tensor:
        """0 or 1: families that act half of the times they are drawn; always 1 where exactly so many must act."""
        coin = self.coin()
        return tf.ones_like(coin) if self.largest else coin

    def channels(self) -> tf.Tensor:
        """`(n, 3)`, -1 to 1: a value per channel, or half of the time one for all."""
        values = self.signed(3)
        return tf.where(self.uniform(1) < 0.5, values, values[:, :1])

    def salt(self) -> tf.Tensor:
        """uint32 `(n,)`."""
        return tf.cast(tf.cast(self.uniform() * 2**24, tf.int32), tf.uint32) * tf.constant(0x9E3779B9, tf.uint32)


def _drawn(numbers: tf.Tensor, randaugment: int) -> Drawn:
    """0 or 1 `(n,)` per family."""
    draws = _Draws(numbers, largest=False)
    names = [*FAMILIES, *AFFINE] if randaugment else list(FAMILIES)
    ranks = tf.argsort(tf.argsort(draws.uniform(len(names))))
    count = randaugment or tf.cast(6 * draws.uniform(1), tf.int32)
    chosen = tf.unstack(tf.cast(ranks < count, tf.float32), axis=1)
    return {name: tf.ones_like(chosen[0]) for name in AFFINE} | dict(zip(names, chosen, strict=True))


@tf.function(jit_compile=True)
def _geometry(
    photos: tf.Tensor, boxes: tf.Tensor, numbers: tf.Tensor, drawn: Drawn, strength: tf.Tensor, largest: bool
) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws geometries and takes the first that keeps enough of the box.

    Returns:
        The place in the photo that comes to lie at each pixel, `(n, 2, height, width)` as x and y, in pixels; the moved boxes.
    """
    n, height, width = tf.unstack(tf.shape(photos)[:3])
    size = tf.cast(tf.stack([width, height]), tf.float32)
    draws = _Draws(numbers, largest)
    reach = strength * tf.constant([1.0] * MAX_DRAWS + [0.0])
    mirror = tf.stack([1 - 2 * draws.coin(), tf.ones([n])], -1)
    matrix, offset = _affine(draws, drawn, reach, size)
    spread = math.sqrt(3) * (0.01 + 0.04 * draws.amount()) * drawn["piecewise affine"] * draws.half()
    grid = (2 * draws.uniform(GRID, GRID, 2) - 1) * spread[:, None, None, None] * size
    grid = grid[:, None] * reach[:, None, None, None]

    moved = _moved(boxes, mirror, matrix, offset, grid, size)
    clipped = tf.clip_by_value(moved, 0.0, 1.0)
    kept = (_area(clipped) >= KEPT_SHARE * _area(moved)) | (tf.range(GEOMETRIES) == MAX_DRAWS)
    first = tf.argmax(tf.cast(kept, tf.int32), axis=1)
    matrix, offset, grid, clipped = (tf.gather(values, first, batch_dims=1) for values in (matrix, offset, grid, clipped))

    rows, columns = (tf.range(side, dtype=tf.float32) - (tf.cast(side, tf.float32) - 1) / 2 for side in (height, width))
    lines = tf.einsum("nijk,wj->nkiw", grid, _hats(columns / size[0]))
    row_hats = _hats(rows / size[1])
    shift = sum(row_hats[:, i, None] * lines[:, :, i, None] for i in range(GRID)) - offset[..., None, None]
    x, y = columns + shift[:, 0], rows[:, None] + shift[:, 1]
    inverse = mirror[:, :, None] * _inverse(matrix)
    jitter = strength * (0.5 + 3 * draws.amount()) * drawn["elastic"] * draws.half() * size[1] / PUBLISHED_PX
    bits = _random_bits(draws.salt(), *_pixel_cells(n, height, width), tf.zeros([n]), channels=1)[..., 0]
    origins = []
    for k, part in enumerate((bits & 0xFFFF, tf.bitwise.right_shift(bits, 16))):
        wobble = (tf.cast(tf.cast(part, tf.int32), tf.float32) / 2**15 - 1) * jitter[:, None, None]
        origins.append(inverse[:, k, 0, None, None] * x + inverse[:, k, 1, None, None] * y + wobble + (size[k] - 1) / 2)
    return tf.stack(origins, 1), clipped


def _affine(draws: _Draws, drawn: Drawn, reach: tf.Tensor, size: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """`(n, GEOMETRIES, 2, 2)` and `(n, GEOMETRIES, 2)`: what takes a point, counted from the centre, to its new place."""
    on = {name: drawn[name][:, None] * reach for name in AFFINE}
    crop = 0.1 * draws.uniform(GEOMETRIES, 2, 2) * reach[:, None, None]
    zoom = (1 + 0.1 * draws.signed(GEOMETRIES, 2) * on["scale"][..., None]) / (1 - tf.reduce_sum(crop, -1))
    angle = math.radians(15) * draws.signed(GEOMETRIES) * on["rotate"]
    slant = tf.tan(math.radians(4) * draws.signed(GEOMETRIES) * on["shear"])
    cos, sin = tf.cos(angle), tf.sin(angle)
    turn = tf.stack([tf.stack([cos, cos * slant - sin], -1), tf.stack([sin, sin * slant + cos], -1)], -2)
    matrix = turn * zoom[..., None, :]
    centre = (crop[..., 0] - crop[..., 1]) / 2 * size
    shift = 0.1 * draws.signed(GEOMETRIES, 2) * on["translate"][..., None] * size
    return matrix, shift - tf.linalg.matvec(matrix, centre)


def _inverse(matrix: tf.Tensor) -> tf.Tensor:
    a, b, c, d = tf.unstack(tf.reshape(matrix, [-1, 4]), axis=1)
    return tf.reshape(tf.stack([d, -b, -c, a], 1), [-1, 2, 2]) / (a * d - b * c)[:, None, None]


def _moved(
    boxes: tf.Tensor, mirror: tf.Tensor, matrix: tf.Tensor, offset: tf.Tensor, grid: tf.Tensor, size: tf.Tensor
) -> tf.Tensor:
    """`(n, GEOMETRIES, 4)`: the boxes around the moved outlines, not clipped.

    The warp displaces by the grid where a pixel arrives, so that a point's new place solves `place + displacement(place) = target`.
    """
    along = tf.linspace(0.0, 1.0, 9)
    low, high = tf.zeros_like(along), tf.ones_like(along)
    outline = tf.concat([tf.stack(side, -1) for side in ((along, low), (along, high), (low, along), (high, along))], 0)
    points = (boxes[:, None, :2] + outline * (boxes[:, None, 2:] - boxes[:, None, :2]) - 0.5) * size * mirror[:, None]
    targets = tf.einsum("ncij,npj->ncpi", matrix, points) + offset[:, :, None]
    places = targets
    for _ in range(4):
        hats = _hats(places / size)
        places = targets - tf.reduce_sum(hats[..., 1, :, None, None] * hats[..., 0, None, :, None] * grid[:, :, None], [3, 4])
    return tf.concat([tf.reduce_min(places, 2), tf.reduce_max(places, 2)], -1) / tf.tile(size, [2]) + 0.5


def _hats(places: tf.Tensor) -> tf.Tensor:
    """`(..., GRID)`: the grid's bilinear weights at places from -.5 to .5."""
    at = tf.clip_by_value(places + 0.5, 0.0, 1.0) * (GRID - 1)
    return tf.nn.relu(1 - tf.abs(at[..., None] - tf.range(GRID, dtype=tf.float32)))


def _area(boxes: tf.Tensor) -> tf.Tensor:
    return tf.reduce_prod(boxes[..., 2:] - boxes[..., :2], -1)


@tf.function(jit_compile=True)
def _sampled(photos: tf.Tensor, origins: tf.Tensor) -> tf.Tensor:
    """uint8; bilinear, black outside the photo."""
    n, height, width = tf.unstack(tf.shape(photos)[:3])
    framed = tf.reshape(tf.pad(photos, [[0, 0], [1, 1], [1, 1], [0, 0]]), [-1, 3])
    x, y = (tf.clip_by_value(origins[:, k] + 1, 0.0, tf.cast(side, tf.float32) + 0.999) for k, side in enumerate((width, height)))
    left, top = tf.floor(x), tf.floor(y)
    right_share, low_share = (x - left)[..., None], (y - top)[..., None]
    first = (tf.range(n)[:, None, None] * (height + 2) + tf.cast(top, tf.int32)) * (width + 2) + tf.cast(left, tf.int32)
    a, b, c, d = (tf.cast(tf.gather(framed, first + step), tf.float32) for step in (0, 1, width + 2, width + 3))
    upper, lower = a + (b - a) * right_share, c + (d - c) * right_share
    return _to_uint8(upper + (lower - upper) * low_share)


@tf.function(jit_compile=True)
def _half_blurred(
    pixels: tf.Tensor, numbers: tf.Tensor, drawn: Drawn, strength: tf.Tensor, largest: bool
) -> tuple[tf.Tensor, tf.Tensor]:
    """Half the size, float32, under a Gaussian that, once doubled again, has its drawn width; `(n,)` how much of it to mix in."""
    height, width = tf.shape(pixels)[1], tf.shape(pixels)[2]
    sigma = 3 * strength * _Draws(numbers, largest).amount() * drawn["blur"] * tf.cast(height, tf.float32) / PUBLISHED_PX
    halving_and_doubling = 0.75  # variance
    variance = tf.maximum(tf.square(sigma) - halving_and_doubling, 0.01) / 4
    reach = 3
    taps = tf.nn.softmax(-tf.square(tf.range(-reach, reach + 1, dtype=tf.float32)) / (2 * variance[:, None]))[..., None, None, None]
    even = tf.pad(pixels, [[0, 0], [0, height % 2], [0, width % 2], [0, 0]], "SYMMETRIC")
    half = sum(tf.cast(even[:, i::2, j::2], tf.float32) for i in (0, 1) for j in (0, 1)) / 4
    height, width = tf.shape(half)[1], tf.shape(half)[2]
    rows = tf.pad(half, [[0, 0], [reach, reach], [0, 0], [0, 0]], "SYMMETRIC")
    half = sum(taps[:, i] * rows[:, i : i + height] for i in range(2 * reach + 1))
    columns = tf.pad(half, [[0, 0], [0, 0], [reach, reach], [0, 0]], "SYMMETRIC")
    return sum(taps[:, i] * columns[:, :, i : i + width] for i in range(2 * reach + 1)), tf.minimum(sigma, 1.0)


@tf.function(jit_compile=True)
def _doubled(half: tf.Tensor) -> tf.Tensor:
    """Bilinear."""
    n, height, width = tf.unstack(tf.shape(half)[:3])
    rows = tf.pad(half, [[0, 0], [1, 1], [0, 0], [0, 0]], "SYMMETRIC")
    pairs = tf.stack([0.75 * half + 0.25 * rows[:, :-2], 0.75 * half + 0.25 * rows[:, 2:]], 2)
    half = tf.reshape(pairs, [n, 2 * height, width, 3])
    columns = tf.pad(half, [[0, 0], [0, 0], [1, 1], [0, 0]], "SYMMETRIC")
    pairs = tf.stack([0.75 * half + 0.25 * columns[:, :, :-2], 0.75 * half + 0.25 * columns[:, :, 2:]], 3)
    return tf.reshape(pairs, [n, 2 * height, 2 * width, 3])


@tf.function(jit_compile=True)
def _blocks(
    pixels: tf.Tensor, blurred: tf.Tensor, share: tf.Tensor, numbers: tf.Tensor, drawn: Drawn, strength: tf.Tensor, largest: bool
) -> tuple[tf.Tensor, tf.Tensor]:
    """Mixes the blur in and draws which of 20-200 blocks become their mean.

    Returns:
        uint8 photos; float32 means of the blocks, -1 where nothing changes, at every `_step`-th row and column.
    """
    n, height, width = tf.unstack(tf.shape(pixels)[:3])
    draws = _Draws(numbers[:, 1:], largest)
    count = tf.cast(tf.sqrt(20 + 180 * draws.uniform()), tf.int32)
    replaced = strength * draws.amount() * draws.half() * drawn["superpixels"]
    sharp = tf.cast(pixels, tf.float32)
    pixels = sharp + share[:, None, None, None] * (blurred[:, :height, :width] - sharp)

    rows, columns = _cells(height, count)[:, :: _step(height)], _cells(width, count)[:, :: _step(width)]
    same_row, same_column = (tf.cast(cells[:, :, None] == cells[:, None], tf.float32) for cells in (rows, columns))
    sums = tf.einsum("nab,nbwc->nawc", same_row, pixels[:, :: _step(height), :: _step(width)])
    sums = tf.einsum("nab,nhbc->nhac", same_column, sums)
    means = sums / (tf.reduce_sum(same_row, 2)[:, :, None] * tf.reduce_sum(same_column, 2)[:, None])[..., None]
    chosen = _uniform(_random_bits(draws.salt(), rows, columns, tf.zeros([n]), channels=1)) < replaced[:, None, None, None]
    return _to_uint8(pixels), tf.where(chosen, means, -1.0)


@tf.function(jit_compile=True)
def _replaced(pixels: tf.Tensor, blocks: tf.Tensor) -> tf.Tensor:
    height, width = tf.shape(pixels)[1], tf.shape(pixels)[2]
    blocks = tf.repeat(tf.repeat(blocks, _step(height), axis=1)[:, :height], _step(width), axis=2)[:, :, :width]
    blocks = tf.reshape(blocks, tf.shape(pixels))  # for the static shape, which tf.repeat loses
    return tf.where(blocks < 0, pixels, _to_uint8(blocks))


def _step(side: tf.Tensor) -> tf.Tensor:
    """Blocks are cut, and their means taken, from at least 56 rows and columns: four for the smallest block."""
    return tf.maximum(side // 56, 1)


@tf.function(jit_compile=True)
def _changed(pixels: tf.Tensor, numbers: tf.Tensor, drawn: Drawn, strength: tf.Tensor, largest: bool) -> tf.Tensor:
    """uint8; what needs no more of the photo than a pixel and its neighbours."""
    draws = _Draws(numbers, largest)
    changed = _filtered(pixels, draws, drawn, strength)
    changed = _recoloured(changed, draws, drawn, strength)
    changed = _noisy(changed, draws, drawn, strength)
    return _to_uint8(_dropped(changed, draws, drawn, strength))


def _filtered(pixels: tf.Tensor, draws: _Draws, drawn: Drawn, strength: tf.Tensor) -> tf.Tensor:
    """float32; sharpen, emboss and edges as one kernel per photo."""
    n, height, width = tf.unstack(tf.shape(pixels)[:3])
    blend = strength * (0.2 + 0.6 * draws.amount()) * drawn["blended sharpen"]
    sharpen = strength * draws.amount() * drawn["sharpen"]
    emboss, slope = strength * draws.amount() * drawn["emboss"], 2 * draws.amount()
    edges = 0.5 * strength * draws.amount() * drawn["edges"] * draws.half()
    directed, angle = draws.coin(), 2 * math.pi * draws.uniform()
    lightness = draws.signed()
    lightness *= tf.where(lightness < 0, 0.25, 0.5)

    around = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]
    aligned = {(i, j): tf.nn.relu((i * tf.sin(angle) + j * tf.cos(angle)) / math.hypot(i, j)) ** 4 for i, j in around}
    total = sum(aligned.values())
    kernel = {(0, 0): 1 + 9 * blend + (8 + lightness) * sharpen - edges * (2 * directed + 5 * (1 - directed))}
    for i, j in around:
        edge = directed * aligned[i, j] / total + (1 - directed) * (i * j == 0)
        relief = (i + j) / max(abs(i + j), 1) * slope + (i if i == j else 0)
        kernel[i, j] = emboss * relief + edges * edge - blend - sharpen
    padded = tf.cast(tf.pad(pixels, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC"), tf.float32)
    changed = sum(
        weight[:, None, None, None] * padded[:, i + 1 : i + 1 + height, j + 1 : j + 1 + width] for (i, j), weight in kernel.items()
    )
    eight = tf.fill([n], 8)
    bits = _random_bits(draws.salt(), _cells(height, eight), _cells(width, eight), draws.coin())
    unblended = tf.where(_uniform(bits) < 0.1, (tf.sign(blend) * (1 - blend))[:, None, None, None], 0.0)
    return changed - unblended * tf.cast(pixels, tf.float32)


def _recoloured(pixels: tf.Tensor, draws: _Draws, drawn: Drawn, strength: tf.Tensor) -> tf.Tensor:
    """float32; invert, add, multiply, grayscale and contrast as one affine map of RGB per photo."""

    def on(name: str) -> tf.Tensor:
        return strength * drawn[name][:, None]

    def channelwise(gain: tf.Tensor, offset: tf.Tensor) -> tf.Tensor:
        rows = tf.concat([tf.linalg.diag(gain), offset[..., None]], -1)
        return tf.concat([rows, tf.broadcast_to([0.0, 0.0, 0.0, 1.0], tf.shape(rows[:, :1]))], 1)

    inverted = tf.cast(draws.uniform(3) < (1.0 if draws.largest else 0.05) * on("invert"), tf.float32)
    contrast = 1 + 0.6 * draws.channels() * on("contrast")
    gray = (draws.amount(1) * on("grayscale"))[..., None]
    luma = tf.constant([[0.299, 0.587, 0.114, 0.0]] * 3 + [[0.0, 0.0, 0.0, 1.0]])
    maps = [
        channelwise(1 - 2 * inverted, 255 * inverted),
        channelwise(tf.ones_like(inverted), 10 * draws.channels() * on("add")),
        channelwise(1 + 0.5 * draws.channels() * on("multiply"), tf.zeros_like(inverted)),
        channelwise(contrast, 127 * (1 - contrast)),
        (1 - gray) * tf.eye(4) + gray * luma,
    ]
    maps = tf.gather(tf.stack(maps, 1), tf.argsort(draws.uniform(len(maps))), batch_dims=1)
    total = tf.linalg.matmul(maps[:, 1], maps[:, 0])
    for i in range(2, 5):
        total = tf.linalg.matmul(maps[:, i], total)
    total = total[:, None, None, :3]
    return sum(total[..., k] * pixels[..., k : k + 1] for k in range(3)) + total[..., 3]


def _noisy(pixels: tf.Tensor, draws: _Draws, drawn: Drawn, strength: tf.Tensor) -> tf.Tensor:
    """float32; the sum of four random bytes is close to normal."""
    n, height, width = tf.unstack(tf.shape(pixels)[:3])
    sigma = 0.05 * 255 * strength * draws.amount() * drawn["noise"]
    bits = _random_bits(draws.salt(), *_pixel_cells(n, height, width), draws.coin())
    total = sum(tf.cast(tf.bitwise.right_shift(bits, shift) & 0xFF, tf.int32) for shift in (0, 8, 16, 24))
    normal = (tf.cast(total, tf.float32) - 4 * 127.5) / math.sqrt(4 * (256**2 - 1) / 12)
    return pixels + sigma[:, None, None, None] * normal


def _dropped(pixels: tf.Tensor, draws: _Draws, drawn: Drawn, strength: tf.Tensor) -> tf.Tensor:
    """float32; single pixels or blocks are black."""
    height, width = tf.shape(pixels)[1], tf.shape(pixels)[2]
    coarse = draws.uniform() < 0.5
    share = strength * drawn["dropout"] * tf.where(coarse, 0.03 + 0.12 * draws.amount(), 0.01 + 0.09 * draws.amount())
    size = 0.02 + 0.03 * draws.uniform()
    rows, columns = (
        _cells(side, tf.where(coarse, tf.cast(tf.math.ceil(size * tf.cast(side, tf.float32)), tf.int32), side))
        for side in (height, width)
    )
    per_channel = tf.cast(draws.uniform() < tf.where(coarse, 0.2, 0.5), tf.float32)
    return tf.where(_uniform(_random_bits(draws.salt(), rows, columns, per_channel)) < share[:, None, None, None], 0.0, pixels)


def _to_uint8(pixels: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.round(tf.clip_by_value(pixels, 0.0, 255.0)), tf.uint8)


def _cells(side: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """uint32 `(n, side)`: which of `count` `(n,)` equal cells each row or column lies in."""
    return tf.cast(tf.range(side) * count[:, None] // side, tf.uint32)


def _pixel_cells(n: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return _cells(height, tf.fill([n], height)), _cells(width, tf.fill([n], width))


def _random_bits(salt: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor, per_channel: tf.Tensor, channels: int = 3) -> tf.Tensor:
    """uint32 `(n, height, width, channels)`: equal within a cell, and over channels unless `per_channel` `(n,)` is 1.

    The hash "lowbias32" (Wellons 2018) of salt and place: far cheaper than as many numbers from a counter-based generator.
    """
    channel = tf.cast(tf.cast(tf.range(channels, dtype=tf.float32) * per_channel[:, None], tf.int32), tf.uint32)
    bits = (rows[:, :, None] * 8192 + columns[:, None]) * 4 + salt[:, None, None]
    bits = bits[..., None] + channel[:, None, None]
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        bits = (bits ^ tf.bitwise.right_shift(bits, shift)) * tf.constant(factor, tf.uint32)
    return bits ^ tf.bitwise.right_shift(bits, 16)


def _uniform(bits: tf.Tensor) -> tf.Tensor:
    """0-1."""
    return tf.cast(tf.cast(tf.bitwise.right_shift(bits, 8), tf.int32), tf.float32) / 2**24
