"""One photo, many shapes and kinds: resized to a square, and scaled by the decoder where it is large enough."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components.common import pixels


def photo(width: int, height: int) -> Image.Image:
    """Smooth colours, which any good scaling keeps."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(6 * x / width), np.cos(5 * y / height), np.sin(4 * (x / width + y / height))]
    return Image.fromarray(np.stack([127 + 100 * wave for wave in waves], -1).astype(np.uint8))


def stored(image: Image.Image, kind: str) -> tf.Tensor:
    content = io.BytesIO()
    image.save(content, kind, quality=95)
    return tf.constant(content.getvalue())


@pytest.mark.parametrize("factor", [0.5, 1, 1.9, 2, 3.9, 4, 8, 11])
def test_photos_of_any_size_look_the_same(factor: float) -> None:
    image = photo(round(80 * factor), round(64 * factor))
    loaded, size = pixels.load_sized(stored(image, "JPEG"), 64)
    assert loaded.shape == (64, 64, 3)
    assert loaded.dtype == tf.uint8
    assert size.numpy().tolist() == [image.height, image.width]
    expected = np.asarray(image.resize((64, 64), Image.Resampling.BOX), float)
    assert np.abs(loaded.numpy() - expected).mean() < 3


@pytest.mark.parametrize(("factor", "ratio"), [(1.9, 1), (2, 2), (3.9, 2), (4, 4), (8, 8), (20, 8)])
def test_the_decoder_scales_as_far_as_the_size_allows(factor: float, ratio: int) -> None:
    jpeg = stored(photo(round(64 * factor), round(64 * factor)), "JPEG")
    scaled = tf.io.decode_jpeg(jpeg, channels=3, ratio=ratio, dct_method="INTEGER_ACCURATE")
    np.testing.assert_array_equal(pixels.load(jpeg, 64), tf.cast(tf.round(tf.image.resize(scaled, [64, 64])), tf.uint8))


@pytest.mark.parametrize(("kind", "mode"), [("PNG", "RGB"), ("PNG", "L"), ("JPEG", "L"), ("JPEG", "CMYK")])
def test_other_kinds_of_photos_are_loaded(kind: str, mode: str) -> None:
    image = photo(200, 150).convert(mode)
    loaded, size = pixels.load_sized(stored(image, kind), 64)
    assert size.numpy().tolist() == [150, 200]
    expected = np.asarray(image.convert("RGB").resize((64, 64), Image.Resampling.BOX), float)
    assert np.abs(loaded.numpy() - expected).mean() < 4
