"""Effects of the `graph` policy on pixels; the functions compiled here are called one after the other by `graph.augment`."""

import math

import tensorflow as tf

from components.train.augment.graph_families import Drawn, to_uint8
from components.train.augment.graph_numbers import Draws, as_uniform, cells, pixel_cells, random_bits

BLOCK_SHARE = 0.65  # blocks cut through edges that superpixels follow: as much of their mean changes a photo as much


@tf.function(jit_compile=True)
def half_blurred(
    pixels: tf.Tensor, numbers: tf.Tensor, drawn: Drawn, strength: tf.Tensor, largest: bool
) -> tuple[tf.Tensor, tf.Tensor]:
    """Half the size, float32, under a Gaussian that, once doubled again, has its drawn width; `(n,)` how much of it to mix in."""
    height, width = tf.shape(pixels)[1], tf.shape(pixels)[2]
    sigma = 3 * strength * Draws(numbers, largest).amount() * drawn["blur"]
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
def doubled(half: tf.Tensor) -> tf.Tensor:
    """Bilinear."""
    n, height, width = tf.unstack(tf.shape(half)[:3])
    rows = tf.pad(half, [[0, 0], [1, 1], [0, 0], [0, 0]], "SYMMETRIC")
    pairs = tf.stack([0.75 * half + 0.25 * rows[:, :-2], 0.75 * half + 0.25 * rows[:, 2:]], 2)
    half = tf.reshape(pairs, [n, 2 * height, width, 3])
    columns = tf.pad(half, [[0, 0], [0, 0], [1, 1], [0, 0]], "SYMMETRIC")
    pairs = tf.stack([0.75 * half + 0.25 * columns[:, :, :-2], 0.75 * half + 0.25 * columns[:, :, 2:]], 3)
    return tf.reshape(pairs, [n, 2 * height, 2 * width, 3])


@tf.function(jit_compile=True)
def block_means(
    pixels: tf.Tensor, blurred: tf.Tensor, share: tf.Tensor, numbers: tf.Tensor, drawn: Drawn, strength: tf.Tensor, largest: bool
) -> tuple[tf.Tensor, tf.Tensor]:
    """Mixes the blur in and draws which of 20-200 blocks become their mean.

    Returns:
        uint8 photos; float32 means of the blocks, -1 where nothing changes, at every `_step`-th row and column.
    """
    n, height, width = tf.unstack(tf.shape(pixels)[:3])
    draws = Draws(numbers[:, 1:], largest)
    count = tf.cast(tf.sqrt(20 + 180 * draws.uniform()), tf.int32)
    replaced = strength * draws.amount() * draws.half() * drawn["superpixels"]
    sharp = tf.cast(pixels, tf.float32)
    pixels = sharp + share[:, None, None, None] * (blurred[:, :height, :width] - sharp)

    rows, columns = cells(height, count)[:, :: _step(height)], cells(width, count)[:, :: _step(width)]
    same_row, same_column = (tf.cast(cells[:, :, None] == cells[:, None], tf.float32) for cells in (rows, columns))
    sums = tf.einsum("nab,nbwc->nawc", same_row, pixels[:, :: _step(height), :: _step(width)])
    sums = tf.einsum("nab,nhbc->nhac", same_column, sums)
    means = sums / (tf.reduce_sum(same_row, 2)[:, :, None] * tf.reduce_sum(same_column, 2)[:, None])[..., None]
    chosen = as_uniform(random_bits(draws.salt(), rows, columns, tf.zeros([n]), channels=1)) < replaced[:, None, None, None]
    return to_uint8(pixels), tf.where(chosen, means, -1.0)


@tf.function(jit_compile=True)
def replaced(pixels: tf.Tensor, blocks: tf.Tensor) -> tf.Tensor:
    height, width = tf.shape(pixels)[1], tf.shape(pixels)[2]
    blocks = tf.repeat(tf.repeat(blocks, _step(height), axis=1)[:, :height], _step(width), axis=2)[:, :, :width]
    blocks = tf.reshape(blocks, tf.shape(pixels))  # for the static shape, which tf.repeat loses
    sharp = tf.cast(pixels, tf.float32)
    return tf.where(blocks < 0, pixels, to_uint8(sharp + BLOCK_SHARE * (blocks - sharp)))


def _step(side: tf.Tensor) -> tf.Tensor:
    """Blocks are cut, and their means taken, from at least 56 rows and columns: four for the smallest block."""
    return tf.maximum(side // 56, 1)


@tf.function(jit_compile=True)
def changed(pixels: tf.Tensor, numbers: tf.Tensor, drawn: Drawn, strength: tf.Tensor, largest: bool) -> tf.Tensor:
    """uint8; what needs no more of the photo than a pixel and its neighbours."""
    draws = Draws(numbers, largest)
    changed = _filtered(pixels, draws, drawn, strength)
    changed = _recoloured(changed, draws, drawn, strength)
    changed = _noisy(changed, draws, drawn, strength)
    return to_uint8(_dropped(changed, draws, drawn, strength))


def _filtered(pixels: tf.Tensor, draws: Draws, drawn: Drawn, strength: tf.Tensor) -> tf.Tensor:
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
    cosines = {(i, j): (i * tf.sin(angle) + j * tf.cos(angle)) / math.hypot(i, j) for i, j in around}
    aligned = {place: (1 - tf.acos(tf.clip_by_value(cosine, -1.0, 1.0)) / math.pi) ** 4 for place, cosine in cosines.items()}
    total = sum(aligned.values())
    kernel = {(0, 0): 1 + 9 * blend + (8 + lightness) * sharpen - 5 * edges * (1 - directed)}
    for i, j in around:
        edge = (1 - directed) * (i * j == 0) - directed * aligned[i, j] / total
        relief = (i + j) / max(abs(i + j), 1) * slope + (i if i == j else 0)
        kernel[i, j] = emboss * relief + edges * edge - blend - sharpen
    padded = tf.cast(tf.pad(pixels, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC"), tf.float32)
    changed = sum(
        weight[:, None, None, None] * padded[:, i + 1 : i + 1 + height, j + 1 : j + 1 + width] for (i, j), weight in kernel.items()
    )
    eight = tf.fill([n], 8)
    bits = random_bits(draws.salt(), cells(height, eight), cells(width, eight), draws.coin())
    unblended = tf.where(as_uniform(bits) < 0.1, (tf.sign(blend) * (1 - blend))[:, None, None, None], 0.0)
    return changed - unblended * tf.cast(pixels, tf.float32)


def _recoloured(pixels: tf.Tensor, draws: Draws, drawn: Drawn, strength: tf.Tensor) -> tf.Tensor:
    """float32; invert, add, multiply, grayscale and contrast as one affine map of RGB per photo."""

    def on(name: str) -> tf.Tensor:
        return strength * drawn[name][:, None]

    def channelwise(gain: tf.Tensor, offset: tf.Tensor) -> tf.Tensor:
        rows = tf.concat([tf.linalg.diag(gain), offset[..., None]], -1)
        return tf.concat([rows, tf.broadcast_to([0.0, 0.0, 0.0, 1.0], tf.shape(rows[:, :1]))], 1)

    inverted = tf.cast(draws.uniform(3) < (1.0 if draws.largest else 0.05) * on("invert"), tf.float32)
    contrast = 1 + 0.6 * draws.signed(3) * on("contrast")
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


def _noisy(pixels: tf.Tensor, draws: Draws, drawn: Drawn, strength: tf.Tensor) -> tf.Tensor:
    """float32; the sum of four random bytes is close to normal."""
    n, height, width = tf.unstack(tf.shape(pixels)[:3])
    sigma = 0.05 * 255 * strength * draws.amount() * drawn["noise"]
    bits = random_bits(draws.salt(), *pixel_cells(n, height, width), draws.coin())
    total = sum(tf.cast(tf.bitwise.right_shift(bits, shift) & 0xFF, tf.int32) for shift in (0, 8, 16, 24))
    normal = (tf.cast(total, tf.float32) - 4 * 127.5) / math.sqrt(4 * (256**2 - 1) / 12)
    return pixels + sigma[:, None, None, None] * normal


def _dropped(pixels: tf.Tensor, draws: Draws, drawn: Drawn, strength: tf.Tensor) -> tf.Tensor:
    """float32; single pixels or blocks are black."""
    height, width = tf.shape(pixels)[1], tf.shape(pixels)[2]
    coarse = draws.uniform() < 0.5
    share = strength * drawn["dropout"] * tf.where(coarse, 0.03 + 0.12 * draws.amount(), 0.01 + 0.09 * draws.amount())
    size = 0.02 + 0.03 * draws.uniform()
    rows, columns = (
        cells(side, tf.where(coarse, tf.cast(tf.math.ceil(size * tf.cast(side, tf.float32)), tf.int32), side))
        for side in (height, width)
    )
    per_channel = tf.cast(draws.uniform() < tf.where(coarse, 0.2, 0.5), tf.float32)
    return tf.where(as_uniform(random_bits(draws.salt(), rows, columns, per_channel)) < share[:, None, None, None], 0.0, pixels)
