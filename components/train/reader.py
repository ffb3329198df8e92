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
from components.train.sampling import Sampler, trained_classes

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

    Args:
        records: what to read.
        config: the settings.
        part: (i, n): the rows of every batch that process i of n trains on, the same share of each.

    Attributes:
        skipped: what `damaged = skip` left out so far, a line each.

    Raises:
        UserError: the batch cannot be shared evenly.
    """

    def __init__(self, records: Records, config: TrainConfig, part: tuple[int, int] = (0, 1)):
        self._records = records
        self._config = config
        self._part = part
        self._rows, odd = divmod(config.batch, part[1])
        if odd or self._rows % config.photos_per_class:
            groups = f" and of {config.photos_per_class} photos of a class in each" if config.photos_per_class > 1 else ""
            raise UserError(f"batch: expected a multiple of the {part[1]} processes that train{groups}, received {config.batch}")
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
        index = self._index("train")
        photos = self._photos(self.draws(first_step), lambda label, member: self._replaced(index, label, member))
        steps = tf.data.Dataset.range(first_step, ENDLESS)
        batches = tf.data.Dataset.zip(steps, photos.batch(self._rows, drop_remainder=True))
        return self._augmented(batches, first_step, plain_from).prefetch(tf.data.AUTOTUNE)

    def draws(self, first_step: int) -> tf.data.Dataset:
        """Endless: which records a step draws, int64 `(batch / n, 2)`: their class, and their number within the class."""
        config, own = self._config, slice(self._part[0] * self._rows, (self._part[0] + 1) * self._rows)
        temperature = TEMPERATURES.get(config.sampling, config.temperature)
        sampler = Sampler(self.counts("train"), config.seed, temperature, config.photos_per_class)
        block = STEPS_DRAWN_AT_ONCE * config.batch

        def draw(number: np.int64) -> NDArray[np.int64]:
            drawn = sampler.draws(first_step * config.batch + int(number) * block, block)
            return np.stack(drawn, axis=-1).reshape(STEPS_DRAWN_AT_ONCE, config.batch, 2)[:, own]

        drawn = tf.data.Dataset.range(ENDLESS).map(lambda number: tf.numpy_function(draw, [number], tf.int64)).unbatch()
        return drawn.map(lambda places: tf.ensure_shape(places, [self._rows, 2]))

    def counts(self, split: str) -> NDArray[np.int64]:
        """Records of each class, `(classes,)`; none of those held out, which are neither trained nor validated on."""
        counts = self._index(split).counts
        return np.where(np.arange(self._classes) < trained_classes(self._classes, self._config.held_out), counts, 0)

    def validation(self, split: str, *, whole: bool = False) -> tf.data.Dataset:
        """Every record of a split exactly once, class by class, not augmented; the last batch may be smaller.

        Args:
            split: its name.
            whole: all of it in each process, not shared among them.

        Raises:
            UserError: there is nothing to read.
        """
        index, counts = self._index(split), self.counts(split)
        ends = np.cumsum(counts)

        def place(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
            labels = np.searchsorted(ends, numbers, side="right")
            return np.stack([labels, numbers - (ends - counts)[labels]], axis=-1)

        i, n = (0, 1) if whole else self._part
        first, last = (int(ends[-1]) * bound // n for bound in (i, i + 1))
        if first == last:
            raise UserError(f"{split} split: expected a photo for each of the {n} processes that train, found {ends[-1]}")
        numbers = tf.data.Dataset.range(first, last)
        if self._config.damaged == "skip":
            undamaged = [number for number in range(first, last) if self._kept(index, *place(np.array(number)).tolist())]
            if not undamaged:
                raise UserError(f"records: every {split} record is damaged; run shard again")
            numbers = tf.data.Dataset.from_tensor_slices(np.array(undamaged, np.int64))
        places = numbers.batch(self._rows).map(lambda group: tf.numpy_function(place, [group], tf.int64))
        batches = self._photos(places, index.read).batch(self._rows).map(self._targets)
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

    def _augmented(self, batches: tf.data.Dataset, first_step: int, plain_from: int) -> tf.data.Dataset:
        """`(step, (photos, labels, boxes))` -> batches."""
        config = self._config
        if plain_from <= first_step:
            return batches.map(lambda _, loaded: self._targets(*loaded), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        policy, calls = self._policy()

        def augmented(step: tf.Tensor, photos: tf.Tensor, boxes: tf.Tensor, classes: tf.Tensor) -> tuple[tf.Tensor, ...]:
            draw = step * self._part[1] + self._part[0]  # no two processes augment alike
            photos, boxes = policy(draw, photos, boxes)
            return mix.mix(photos, boxes, classes, self._seed(draw), config.mixup, config.cutmix)

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
            return lambda draw, photos, boxes: graph.augment(
                photos, boxes, self._seed(draw), config.strength, config.randaugment
            ), tf.data.AUTOTUNE
        processes = min(len(os.sched_getaffinity(0)), MOST_PROCESSES)
        workers = self._exit.enter_context(Workers(f"components.train.augment.{config.augment}", processes, config.strength))

        def in_worker(draw: np.int64, photos: NDArray[np.uint8], boxes: NDArray[np.float32]) -> tuple[NDArray[np.generic], ...]:
            return workers(photos, boxes, config.seed << 31 ^ int(draw))

        def in_processes(draw: tf.Tensor, photos: tf.Tensor, boxes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            moved = tf.numpy_function(self._stopping(in_worker), [draw, photos, boxes], (tf.uint8, tf.float32))
            return tf.ensure_shape(moved[0], photos.shape), tf.ensure_shape(moved[1], boxes.shape)

        return in_processes, processes + 1

    def _targets(self, photos: tf.Tensor, labels: tf.Tensor, boxes: tf.Tensor) -> Batch:
        return photos, {"logits": tf.one_hot(labels, self._classes), "box": boxes}

    def _seed(self, draw: tf.Tensor) -> tf.Tensor:
        return tf.stack([tf.constant(self._config.seed, tf.int64), draw])

    def _stopping(self, function: Callable[..., T]) -> Callable[..., T]:
        """`function`, whose `UserError` is kept for the end: TensorFlow would log it many times, and hears of no more data."""

        def call(*values: object) -> T:
            try:
                return function(*values)
            except UserError as failure:
                self._failure = failure
                raise StopIteration from None

        return call
