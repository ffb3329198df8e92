"""Records -> the pictures, as PNG files, each written whole or not at all; the same records give the same pictures."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from components.common.boxes import Boxes
from components.common.figures import png
from components.common.progress import track
from components.common.records import Records, open_records
from components.common.whole import whole_file
from components.train.augment import graph, imgaug, seed
from components.train.config import TrainConfig
from components.train.plots import charts
from components.train.plots.photos import Photos, grid
from components.train.reader import TEMPERATURES, Reader
from components.train.sampling import Sampler

SAMPLES = 25
DRAWS = 24
SEED = 0
POLICIES: dict[str, Callable[..., tuple[Any, Any]]] = {"seed": seed.augment, "imgaug": imgaug.augment, "graph": graph.augment}
STEPS_COUNTED_AT_ONCE = 64


def run(records: Sequence[Path], output: Path, strength: float) -> list[Path]:
    """Draws every picture into the folder `output`; other files there stay.

    Args:
        records: the folders that shard's tasks wrote.
        output: the folder.
        strength: of the augmentation in the galleries, 0-1.

    Returns:
        The files written.

    Raises:
        UserError: records missing or damaged, a strength out of its range.
    """
    opened = open_records(records)
    config = TrainConfig(batch=SAMPLES, augment="none", strength=strength, seed=SEED)
    output.mkdir(parents=True, exist_ok=True)
    written = []
    for name, figure in track(_figures(opened, config), "pictures"):
        written.append(output / f"{name}.png")
        with whole_file(written[-1]) as path:
            path.write_bytes(png(figure))
    return written


def _figures(records: Records, config: TrainConfig) -> Iterator[tuple[str, Figure]]:
    yield "splits", charts.splits(records.counts, records.classes)
    yield from _sampling(records, config)
    with Reader(records, config) as reader:
        photos, truth = next(reader.training().as_numpy_iterator())
    names = [records.classes[label] for label in truth["logits"].argmax(-1)]
    yield (
        "photos",
        grid(photos, truth["box"], names, "Straight from the reader: photos squeezed to squares, classes equally likely"),
    )
    for policy in POLICIES:
        yield f"gallery-{policy}", gallery(policy, photos[0], truth["box"][0], config.strength)


def _sampling(records: Records, config: TrainConfig) -> Iterator[tuple[str, Figure]]:
    photos = np.array(records.counts["train"])
    wanted, times = {}, {}
    for mode in ("uniform", "temperature", "natural"):
        temperature = TEMPERATURES.get(mode, config.temperature)
        weights = photos ** (1 / temperature)
        wanted[mode], times[mode] = weights / weights.sum(), count_draws(photos, temperature)
    drawn = {mode: np.array([each.sum() for each in counts]) for mode, counts in times.items()}
    yield "balance", charts.balance(photos, drawn, wanted, records.classes)
    yield "within-classes", charts.within_classes(times["uniform"], records.classes, SEED)


def count_draws(photos: charts.Counts, temperature: float) -> list[charts.Counts]:
    """How often each photo of each class is drawn in 10,000 batches of 32.

    Args:
        photos: of each class, `(classes,)`.
        temperature: see `Sampler`.
    """
    sampler = Sampler(photos, SEED, temperature)
    first = np.cumsum(photos) - photos
    times = np.zeros(photos.sum(), np.int64)
    draws = charts.BATCHES * charts.BATCH
    for start in range(0, draws, block := STEPS_COUNTED_AT_ONCE * charts.BATCH):
        labels, members = sampler.draws(start, min(block, draws - start))
        times += np.bincount(first[labels] + members, minlength=len(times))
    return np.split(times, first[1:])


def gallery(policy: str, photo: Photos, box: Boxes, strength: float) -> Figure:
    """A photo `(px, px, 3)` and 24 draws of what a policy makes of it, with their boxes; `box` is relative, `(4,)`."""
    batch, boxes = np.stack([photo] * DRAWS), np.stack([box] * DRAWS)
    state = tf.constant([SEED, 0], tf.int64) if policy == "graph" else SEED
    drawn, moved = (np.asarray(part) for part in POLICIES[policy](batch, boxes, state, strength))
    heading = f"{policy}: a photo and {DRAWS} draws at strength {strength:g}"
    return grid(np.stack([photo, *drawn]), np.stack([box, *moved]), [""] * (DRAWS + 1), heading)
