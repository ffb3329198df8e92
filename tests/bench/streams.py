"""Photos a second of endless streams: the limits that decoding sets, the original project's way, and training's batches."""

import contextlib
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from components.common import pixels
from components.common.dataset import BOX_COLUMNS, open_dataset
from components.common.records import open_records
from components.train.config import TrainConfig
from components.train.reader import Reader
from tests.bench.clock import Measured, streamed
from tests.bench.photo_set import BATCH, SEED, PhotoSet

IMAGE_PX = 224


@contextlib.contextmanager
def training_batches(photos: PhotoSet, image_px: int, augment: str) -> Iterator[tf.data.Dataset]:
    """Balanced batches of 32 from the shards under an augmentation policy, endless."""
    config = TrainConfig(image_px=image_px, batch=BATCH, augment=augment, seed=SEED)
    with Reader(open_records([photos.records]), config) as reader:
        yield reader.training()


def decode_limit(photos: PhotoSet, seconds: float) -> Measured:
    """JPEG strings in memory -> every pixel of them, on all cores, nothing else."""
    jpegs, _ = _train_photos(photos)
    decoded = jpegs.map(lambda jpeg: tf.shape(_decode(jpeg)), tf.data.AUTOTUNE, deterministic=False)
    return _measured(decoded, seconds)


def decode_resize_limit(photos: PhotoSet, seconds: float) -> Measured:
    """JPEG strings in memory -> squares of 224 px as training and serving load them, on all cores, nothing else."""
    jpegs, _ = _train_photos(photos)
    loaded = jpegs.map(lambda jpeg: pixels.load(jpeg, IMAGE_PX), tf.data.AUTOTUNE, deterministic=False)
    return _measured(loaded, seconds)


def original_way(photos: PhotoSet, seconds: float) -> Measured:
    """As the project that this one re-imagines fed its models: the policy `seed` on one full-size photo at a time, in Python.

    This gives what that project's own loader gives on such a machine, about 30 photos a second: its resize stood at a random place
    of the chain, but imgaug's own piecewise affine, which it used, costs what that saves.
    """
    from components.train.augment.seed import augment

    def one(photo: np.ndarray, box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        size = np.float32([photo.shape[1], photo.shape[0]] * 2)
        drawn, moved = augment(photo[None], (box / size)[None], int(1000 * box.sum()))
        return drawn[0], moved[0]

    def load(jpeg: tf.Tensor, box: tf.Tensor) -> tf.Tensor:
        photo, _ = tf.numpy_function(one, [_decode(jpeg), box], (tf.uint8, tf.float32))
        return tf.image.resize(tf.ensure_shape(photo, [None, None, 3]), [IMAGE_PX, IMAGE_PX])

    augmented = tf.data.Dataset.zip(_train_photos(photos)).map(load, tf.data.AUTOTUNE)
    return _measured(augmented, seconds)


def _reader(augment: str) -> Callable[[PhotoSet, float], Measured]:
    def figure(photos: PhotoSet, seconds: float) -> Measured:
        with training_batches(photos, IMAGE_PX, augment) as batches:
            return streamed((len(batch) for batch, _ in batches), seconds)

    return figure


seed = _reader("seed")
imgaug = _reader("imgaug")
graph = _reader("graph")
balanced_reader = _reader("none")


def _train_photos(photos: PhotoSet) -> tuple[tf.data.Dataset, tf.data.Dataset]:
    """The train split's JPEGs and its boxes in pixels, in memory, over and over."""
    dataset = open_dataset(photos.dataset)
    rows = dataset.split("train")
    jpegs = tf.data.Dataset.from_tensor_slices(list(dataset.photos(rows)))
    boxes = tf.data.Dataset.from_tensor_slices(rows[BOX_COLUMNS].to_numpy(np.float32))
    return jpegs.repeat(), boxes.repeat()


def _decode(jpeg: tf.Tensor) -> tf.Tensor:
    return tf.io.decode_jpeg(jpeg, channels=3, dct_method="INTEGER_ACCURATE")


def _measured(singles: tf.data.Dataset, seconds: float) -> Measured:
    batches = singles.batch(BATCH, drop_remainder=True).prefetch(tf.data.AUTOTUNE)
    return streamed((len(batch) for batch in batches), seconds)
