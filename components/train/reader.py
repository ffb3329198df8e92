"""Records -> batches for training and validation, through the same `pixels.load` as the exported model.

A batch is `(photos, {"logits", "box"})`: photos uint8 `(batch, image_px, image_px, 3)`, classes float32 one-hot `(batch, classes)`
(mixed where MixUp or CutMix mix), boxes float32 `(batch, 4)`, relative. Deterministic in the seed: step k's batch is the same
wherever reading began. Records are read by their place in the shards, several batches at a time; a damaged one ends the run with
its file and number, or is replaced by the next of its class and listed, as `TrainConfig.damaged` says.
"""

import contextlib
import math
import os
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.common import pixels
from components.common.errors import UserError
from components.common.index import DamagedRecordError, SplitIndex
from components.common.records import Records, parse
from components.train.augment import graph, mix
from components.train.augment.workers import Workers
from components.train.config import TrainConfig
from components.train.sampling import Sampler

PARALLEL_READS = 4
STEPS_DRAWN_AT_ONCE = 64
MOST_PROCESSES = 8  # more than any decoder feeds; a pod may see all of its node's cores
TEMPERATURES = {"uniform": math.inf, "natural": 1.0}
ENDLESS = np.iinfo(np.int64).max

T = TypeVar("T")
Batch = tuple[tf.Tensor, dict[str, tf.Tensor]]
Policy = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


class Reader:
    """Reads for one run of training; a context manager, which stops the augmenting processes at its end.

    Leaving it by an error that reading or augmenting caused raises that error itself, not TensorFlow's account of it.

    Attributes:
        skipped: what `damaged = skip` left out so far, a line each.
    """

    def __init__(self, records: Records, config: TrainConfig):
        self._records = records
        self._config = config
        self._classes = len(records.classes)
        self._exit = contextlib.ExitStack()
        self._failure: UserError | None = None
        self.skipped: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._exit.close()
        if self._failure and isinstance(error, tf.errors.OpError):
            raise self._failure from None

    def training(self, first_step: int = 0, plain_from: int = ENDLESS) -> tf.data.Dataset:
        """Endless balanced batches of the train split, from step `first_step` on; augmented before step `plain_from`."""
        config, index = self._config, self._index("train")
        sampler = Sampler(index.counts, config.seed, TEMPERATURES.get(config.sampling, config.temperature))
        block = STEPS_DRAWN_AT_ONCE * config.batch

        def draw(number: np.int64) -> NDArray[np.int64]:
            drawn = sampler.draws(first_step * config.batch + int(number) * block, block)
            return np.stack(drawn, axis=-1).reshape(STEPS_DRAWN_AT_ONCE, config.batch, 2)

        draws = tf.data.Dataset.range(ENDLESS).map(lambda number: tf.numpy_function(draw, [number], tf.int64)).unbatch()
        photos = self._photos(draws, lambda label, member: self._replaced(index, label, member))
        steps = tf.data.Dataset.range(first_step, ENDLESS)
        batches = tf.data.Dataset.zip(steps, photos.batch(config.batch, drop_remainder=True))
        return self._augmented(batches, plain_from).prefetch(tf.data.AUTOTUNE)

    def validation(self, split: str) -> tf.data.Dataset:
        """Every record of a split exactly once, class by class, not augmented; the last batch may be smaller."""
        index = self._index(split)
        ends = np.cumsum(index.counts)

        def place(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
            labels = np.searchsorted(ends, numbers, side="right")
            return np.stack([labels, numbers - (ends - index.counts)[labels]], axis=-1)

        numbers = tf.data.Dataset.range(ends[-1])
        if self._config.damaged == "skip":
            whole = [number for number in range(ends[-1]) if self._kept(index, *place(np.array(number)).tolist())]
            if not whole:
                raise UserError(f"records: every {split} record is damaged; run shard again")
            numbers = tf.data.Dataset.from_tensor_slices(np.array(whole, np.int64))
        places = numbers.batch(self._config.batch).map(lambda group: tf.numpy_function(place, [group], tf.int64))
        batches = self._photos(places, index.read).batch(self._config.batch).map(self._targets)
        return batches.apply(tf.data.experimental.assert_cardinality(len(places))).prefetch(tf.data.AUTOTUNE)

    def _index(self, split: str) -> SplitIndex:
        index = self._records.index(split)
        if self._config.damaged == "stop":
            index.check_lengths()
        return index

    def _photos(self, places: tf.data.Dataset, read: Callable[[int, int], bytes]) -> tf.data.Dataset:
        """Places in a `SplitIndex`, int64 `(n, 2)` an element -> single photos, their labels and boxes."""

        def examples(group: NDArray[np.int64]) -> NDArray[np.object_]:
            return np.array([read(label, member) for label, member in group.tolist()], object)

        def parsed(group: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            fields = parse(tf.ensure_shape(tf.numpy_function(self._stopping(examples), [group], tf.string), [None]))
            return fields["jpeg"], fields["label"], fields["box"]

        singles = places.map(parsed, num_parallel_calls=PARALLEL_READS, deterministic=True).unbatch()
        return singles.map(
            lambda jpeg, label, box: (pixels.load(jpeg, self._config.image_px), label, box),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )

    def _kept(self, index: SplitIndex, label: int, member: int) -> bytes | None:
        try:
            return index.read(label, member)
        except DamagedRecordError as damage:
            if self._config.damaged == "stop":
                raise
            self.skipped.add(str(damage))
            return None

    def _replaced(self, index: SplitIndex, label: int, member: int) -> bytes:
        count = int(index.counts[label])
        for offset in range(count):
            if (example := self._kept(index, label, (member + offset) % count)) is not None:
                return example
        raise UserError(f"records: every train record of {self._records.classes[label]!r} is damaged; run shard again")

    def _augmented(self, batches: tf.data.Dataset, plain_from: int) -> tf.data.Dataset:
        """`(step, (photos, labels, boxes))` -> batches."""
        config = self._config
        policy, calls = self._policy()

        def augmented(step: tf.Tensor, photos: tf.Tensor, boxes: tf.Tensor, classes: tf.Tensor) -> tuple[tf.Tensor, ...]:
            photos, boxes = policy(step, photos, boxes)
            return mix.mix(photos, boxes, classes, self._seed(step), config.mixup, config.cutmix)

        def finished(step: tf.Tensor, loaded: tuple[tf.Tensor, tf.Tensor, tf.Tensor]) -> Batch:
            photos, labels, boxes = loaded
            plain = (photos, boxes, tf.one_hot(labels, self._classes))
            photos, boxes, classes = tf.cond(step < plain_from, lambda: augmented(step, *plain), lambda: plain)
            return photos, {"logits": classes, "box": boxes}

        return batches.map(finished, num_parallel_calls=calls, deterministic=True)

    def _policy(self) -> tuple[Policy, int]:
        """What augments a batch in the graph, and how many batches it should be given at a time."""
        config = self._config
        if config.augment == "none":
            return lambda _, photos, boxes: (photos, boxes), tf.data.AUTOTUNE
        if config.augment == "graph":
            return lambda step, photos, boxes: graph.augment(
                photos, boxes, self._seed(step), config.strength, config.randaugment
            ), tf.data.AUTOTUNE
        processes = min(len(os.sched_getaffinity(0)), MOST_PROCESSES)
        workers = self._exit.enter_context(Workers(f"components.train.augment.{config.augment}", processes, config.strength))

        def in_worker(step: np.int64, photos: NDArray[np.uint8], boxes: NDArray[np.float32]) -> tuple[NDArray[np.generic], ...]:
            return workers(photos, boxes, config.seed << 31 ^ int(step))

        def in_processes(step: tf.Tensor, photos: tf.Tensor, boxes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            moved = tf.numpy_function(self._stopping(in_worker), [step, photos, boxes], (tf.uint8, tf.float32))
            return tf.ensure_shape(moved[0], photos.shape), tf.ensure_shape(moved[1], boxes.shape)

        return in_processes, processes + 1

    def _targets(self, photos: tf.Tensor, labels: tf.Tensor, boxes: tf.Tensor) -> Batch:
        return photos, {"logits": tf.one_hot(labels, self._classes), "box": boxes}

    def _seed(self, step: tf.Tensor) -> tf.Tensor:
        return tf.stack([tf.constant(self._config.seed, tf.int64), step])

    def _stopping(self, function: Callable[..., T]) -> Callable[..., T]:
        """`function`, whose `UserError` is kept for the end: TensorFlow would log it many times, and hears of no more data."""

        def call(*values: object) -> T:
            try:
                return function(*values)
            except UserError as failure:
                self._failure = failure
                raise StopIteration from None

        return call
