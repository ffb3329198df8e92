"""The input: full-size JPEGs with annotations.csv, enlarged from small photos; the same call gives the same bytes, made once.

Sizes are spread as in the official Stanford Cars distribution: log-normal around a median of 700 x 480 px, about 36 kB a photo.
The smaller sets are the first photos of the larger ones, and alike to within a percent: sizes go through the quantiles in steps of
the golden ratio (a Kronecker sequence), and every class has as many photos, and as many of each split. Every photo has a size and a
quality of its own, so that no two files are the same however often a small photo is used.
"""

import csv
import hashlib
import io
import os
import statistics
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from components.common.dataset import BOX_COLUMNS
from components.common.progress import track
from components.common.whole import whole_folder
from components.ingest.folder import ANNOTATIONS
from components.ingest.listing import ListedPhoto
from components.ingest.source import open_source
from components.ingest.step import MAX_SOURCE_BYTES

MEDIAN_PX = (700, 480)
SIDE_SIGMA = 0.35
ASPECT_SIGMA = 0.1
SIDE_LIMITS_PX = (160, 2400)
QUALITIES = (77, 85)
GOLDEN_RATIO = (5**0.5 - 1) / 2
# Of a class's every eight photos.
SPLITS = ("train",) * 5 + ("validation",) + ("test",) * 2

Row = tuple[str, str, float, float, float, float, str]


def make_sources(small: str, counts: Sequence[int], cache: Path) -> dict[int, Path]:
    """Folders that ingest reads, one for each of `counts`: so many photos (a multiple of eight), of as many classes each.

    Args:
        small: the source of the photos to enlarge, anything that ingest takes.
        cache: the folder that holds them all.
    """
    recipe = repr((small, sorted(counts), MEDIAN_PX, SIDE_SIGMA, ASPECT_SIGMA, SIDE_LIMITS_PX, QUALITIES, SPLITS))
    folder = cache / f"photos-{hashlib.sha256(recipe.encode()).hexdigest()[:8]}"
    if not folder.exists():
        with whole_folder(folder) as partial:
            _make(small, sorted(counts), partial)
    return {count: folder / str(count) for count in counts}


def _make(small: str, counts: Sequence[int], folder: Path) -> None:
    (folder / "all").mkdir()
    classes = counts[0] // len(SPLITS)
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(os.cpu_count()) as pool:
        listed = open_source(small, Path(scratch), max_bytes=MAX_SOURCE_BYTES).photos
        numbers = range(counts[-1])
        made = pool.map(lambda number: _enlarge(listed[number % len(listed)], number, classes, folder / "all"), numbers)
        rows = list(track(made, "enlarging photos", len(numbers)))
    for count in counts:
        _link(folder / "all", rows[:count], folder / str(count))


def _enlarge(photo: ListedPhoto, number: int, classes: int, folder: Path) -> Row:
    rng = np.random.default_rng([number])
    quantile = (number + 0.5) * GOLDEN_RATIO % 1
    scale = np.exp(statistics.NormalDist(0, SIDE_SIGMA).inv_cdf(quantile))
    aspect = np.exp(rng.normal(0, ASPECT_SIGMA / 2))
    width, height = (
        int(np.clip(round(side * scale * share), *SIDE_LIMITS_PX))
        for side, share in zip(MEDIAN_PX, (aspect, 1 / aspect), strict=True)
    )
    stored = io.BytesIO()
    with Image.open(photo.path) as small:
        grown = np.array([width / small.width, height / small.height] * 2)
        large = small.convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
    large.save(stored, "JPEG", quality=int(rng.integers(*QUALITIES)))
    file = f"{number:06d}.jpg"
    (folder / file).write_bytes(stored.getvalue())
    x1, y1, x2, y2 = (np.asarray(photo.box) * grown).round(2).tolist()
    turn, label = divmod(number, classes)
    return file, f"class {label:03d}", x1, y1, x2, y2, SPLITS[turn % len(SPLITS)]


def _link(photos: Path, rows: Sequence[Row], folder: Path) -> None:
    folder.mkdir()
    for file, *_ in rows:
        (folder / file).hardlink_to(photos / file)
    with (folder / ANNOTATIONS).open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["file", "label", *BOX_COLUMNS, "split"])
        writer.writerows(rows)
