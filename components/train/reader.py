"""Records -> batches for training and validation, through the same `pixels.load` as the exported model.

Photos are uint8 `(batch, image_px, image_px, 3)`, labels int32 `(batch,)`, boxes float32 `(batch, 4)`, relative. Deterministic in
the seed; step k's batch does not depend on where reading began.
"""

import numpy as np
import tensorflow as tf

from components.common import pixels
from components.common.records import Records, parse
from components.train.augment.graph import augment
from components.train.sampling import BalancedSampler


def training_batches(
    records: Records, *, batch: int, image_px: int, seed: int, crop: float, color: float, first_step: int = 0
) -> tf.data.Dataset:
    """Endless balanced, augmented batches, from step `first_step` on."""
    index = records.index("train")
    sampler = BalancedSampler(index["label"], seed)

    def examples_of_step(step: np.int64) -> np.ndarray:
        return np.array(records.read("train", index[sampler.draws(int(step) * batch, batch)]), object)

    def finish(step: tf.Tensor, photos: tf.Tensor, labels: tf.Tensor, boxes: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        photos, boxes = augment(photos, boxes, tf.stack([tf.constant(seed, tf.int64), step]), crop, color)
        return photos, {"logits": labels, "box": boxes}

    steps = tf.data.Dataset.range(first_step, np.iinfo(np.int64).max)
    examples = steps.map(lambda step: tf.ensure_shape(tf.numpy_function(examples_of_step, [step], tf.string), [batch])).unbatch()
    loaded = examples.map(lambda example: _load(example, image_px), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    batches = tf.data.Dataset.zip(
        tf.data.Dataset.range(first_step, np.iinfo(np.int64).max), loaded.batch(batch, drop_remainder=True)
    )
    return batches.map(
        lambda step, loaded: finish(step, *loaded), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    ).prefetch(tf.data.AUTOTUNE)


def validation_batches(records: Records, split: str, *, batch: int, image_px: int) -> tf.data.Dataset:
    """Every record of a split exactly once, not augmented; the last batch may be smaller."""
    shards = [str(path) for path in records.shards[split]]
    loaded = tf.data.TFRecordDataset(shards, num_parallel_reads=min(len(shards), 4)).map(
        lambda example: _load(example, image_px), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    batches = loaded.batch(batch).apply(tf.data.experimental.assert_cardinality(-(-sum(records.counts[split]) // batch)))
    return batches.map(lambda photos, labels, boxes: (photos, {"logits": labels, "box": boxes})).prefetch(tf.data.AUTOTUNE)


def _load(example: tf.Tensor, image_px: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    fields = parse(example)
    return pixels.load(fields["jpeg"], image_px), fields["label"], fields["box"]
