"""Reading, sharding and ingesting a photo set once, and copying its bytes; speed, and growth with the set.

Each imports what it works with by itself, so that its memory is its own.
"""

import shutil
import statistics
from pathlib import Path

from components.common.dataset import open_dataset
from tests.bench.clock import Measured, peak_mb, repeated, run_time_s
from tests.bench.photo_set import BATCH, SEED, PhotoSet

COPY_BLOCK_BYTES = 16 * 2**20


def ingest(photos: PhotoSet, seconds: float) -> Measured:
    """The whole step, from a folder with annotations.csv."""
    return repeated(lambda folder: ingest_once(photos, folder), _count(photos), photos.work, seconds)


def shard(photos: PhotoSet, seconds: float) -> Measured:
    """The whole step, as one task."""
    return repeated(lambda folder: shard_once(photos, folder), _count(photos), photos.work, seconds)


def copy(photos: PhotoSet, seconds: float) -> Measured:
    """The dataset's archives, read in large blocks from the page cache and written to new files."""
    archives = sorted(photos.dataset.glob("images-*.tar"))

    def copy_once(folder: Path) -> None:
        for archive in archives:
            with archive.open("rb") as source, (folder / archive.name).open("wb") as target:
                shutil.copyfileobj(source, target, COPY_BLOCK_BYTES)

    return repeated(copy_once, _count(photos), photos.work, seconds)


def growth(step: str, photos: PhotoSet, smallest: PhotoSet, seconds: float) -> dict[str, float]:
    """`seconds` that one pass over `photos` takes, and `peak_mb` after the first; a pass over the smallest set warms up.

    Passes are repeated until the time to measure for is over, and the median taken.
    """
    once = {"read": read_once, "shard": shard_once, "ingest": ingest_once}[step]
    run_time_s(lambda folder: once(smallest, folder), smallest.work)
    times = [run_time_s(lambda folder: once(photos, folder), photos.work)]
    peak = peak_mb()
    while sum(times) < seconds:
        times.append(run_time_s(lambda folder: once(photos, folder), photos.work))
    return {"seconds": statistics.median(times), "peak_mb": peak}


def ingest_once(photos: PhotoSet, folder: Path) -> None:
    from components.ingest.step import run

    run(str(photos.source), folder / "dataset", seed=SEED)


def shard_once(photos: PhotoSet, folder: Path) -> None:
    from components.shard.step import run

    run(photos.dataset, folder / "records", seed=SEED)


def read_once(photos: PhotoSet, folder: Path) -> None:
    """The train photos, balanced and not augmented, once; to whole batches."""
    from tests.bench.streams import IMAGE_PX, training_batches

    train = len(open_dataset(photos.dataset).split("train"))
    with training_batches(photos, IMAGE_PX, "none") as batches:
        for _ in batches.take(-(-train // BATCH)):
            pass


def _count(photos: PhotoSet) -> int:
    return len(open_dataset(photos.dataset).annotations)
