"""ingest: a source of labelled car photos -> a checked dataset, whole or not at all.

Every photo is decoded once. What is broken is set aside with its reason; a source that is broken as a whole ends in one clear line.
The source's own test photos stay the test split. Validation is carved from train, stratified by class, by seed; a source without a
test split gets one carved the same way, whatever the seed, so that models of different seeds are tested on the same photos.
"""

import tempfile
import warnings
from collections import Counter
from collections.abc import Sequence
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from components.common.errors import UserError
from components.common.progress import track
from components.common.storage import without_secrets
from components.ingest.checks import CheckedPhoto, RejectedPhoto, check_photo, without_copies, without_repeats
from components.ingest.listing import Listing
from components.ingest.source import open_source
from components.ingest.split import carve
from components.ingest.write import SplitPhoto, replacing, write_dataset, write_rejected

TEST_SHARE = 0.2
TEST_SEED = 0
PHOTOS_AT_A_TIME = 16
MAX_SOURCE_BYTES = 20 * 2**30


def run(
    source: str,
    output: Path,
    *,
    seed: int = 0,
    validation_share: float = 0.15,
    max_rejected_share: float = 0.05,
    sha256: str = "",
    max_source_bytes: int = MAX_SOURCE_BYTES,
) -> dict[str, Any]:
    """Ingests `source` (see `source.py` for its kinds) into the folder `output`; returns dataset.json's content.

    Args:
        seed: of the validation split, 0 or more.
        validation_share: of the train photos, 0 to below 1.
        max_rejected_share: of the listed photos, 0 to 1; the run fails when more are set aside.
        sha256: of a source that is a single archive; checked when given.
        max_source_bytes: bounds the download and each archive's unpacked size.

    Raises:
        UserError: a setting is out of its range; the source is missing, damaged, dangerous or of no known layout; too much was
            set aside; a class has no train photo; there is no test photo; `output` holds something else.
    """
    _check_settings(seed, validation_share, max_rejected_share, max_source_bytes)
    with replacing(output) as folder, tempfile.TemporaryDirectory(prefix="marque-ingest-") as scratch:
        listing = open_source(source, Path(scratch), max_bytes=max_source_bytes, sha256=sha256)
        shown = without_secrets(source)
        kept, rejected = _check(listing, Path(scratch))
        failure = _too_many(rejected, len(listing.photos), max_rejected_share)
        if failure:
            write_rejected(folder / "rejected.csv", rejected)
        else:
            photos = _split(kept, validation_share, seed)
            _require_photos(shown, photos, listing.classes)
            info = write_dataset(folder, photos, rejected, listing.classes, shown, seed)
    if failure:
        raise UserError(f"{shown}: {failure}; see {output / 'rejected.csv'}")
    _report(info)
    return info


def _check_settings(seed: int, validation_share: float, max_rejected_share: float, max_source_bytes: int) -> None:
    if seed < 0:
        raise UserError(f"expected a seed of 0 or more, received {seed}")
    if not 0 <= validation_share < 1:
        raise UserError(f"expected a validation_share of at least 0 and below 1, received {validation_share}")
    if not 0 <= max_rejected_share <= 1:
        raise UserError(f"expected a max_rejected_share from 0 to 1, received {max_rejected_share}")
    if max_source_bytes <= 0:
        raise UserError(f"expected max_source_bytes above 0, received {max_source_bytes}")


def _check(listing: Listing, scratch: Path) -> tuple[list[CheckedPhoto], list[RejectedPhoto]]:
    listed, rejected = without_repeats(listing.photos)
    checked: list[CheckedPhoto] = []
    with warnings.catch_warnings(), ThreadPool() as pool:
        # Pillow warns of odd metadata, which does no harm, and of size, which is checked.
        warnings.filterwarnings("ignore", module="PIL")
        # Handed out in chunks: a future a photo would be most of the memory.
        results = pool.imap(lambda photo: check_photo(photo, len(listing.classes), scratch), listed, PHOTOS_AT_A_TIME)
        for result in track(results, "checking photos", len(listed)):
            if isinstance(result, CheckedPhoto):
                checked.append(result)
            else:
                rejected.append(result)
    kept, copies = without_copies(checked)
    return kept, sorted(rejected + copies, key=lambda item: (item.listed.split or "", item.listed.file))


def _too_many(rejected: Sequence[RejectedPhoto], listed: int, max_share: float) -> str:
    if len(rejected) <= max_share * listed:
        return ""
    reasons = ", ".join(f"{count} x {reason}" for reason, count in Counter(item.reason for item in rejected).most_common())
    return f"expected at most {max_share:.0%} of the photos to be set aside, set aside {len(rejected)} of {listed} ({reasons})"


def _split(photos: Sequence[CheckedPhoto], validation_share: float, seed: int) -> list[SplitPhoto]:
    splits = {photo.listed.file: photo.listed.split or "train" for photo in photos}
    labels = {photo.listed.file: photo.listed.label for photo in photos}
    if all(photo.listed.split is None for photo in photos):
        splits.update(dict.fromkeys(carve(labels, TEST_SHARE, TEST_SEED), "test"))
    if "validation" not in splits.values():
        train = {file: labels[file] for file, split in splits.items() if split == "train"}
        splits.update(dict.fromkeys(carve(train, validation_share, seed), "validation"))
    return [SplitPhoto(photo, splits[photo.listed.file]) for photo in photos]


def _require_photos(shown: str, photos: Sequence[SplitPhoto], classes: list[str]) -> None:
    trained = {item.photo.listed.label for item in photos if item.split == "train"}
    if without := [name for label, name in enumerate(classes) if label not in trained]:
        raise UserError(f"{shown}: expected train photos of every class, {without[0]!r} has none ({len(without)} such)")
    if not any(item.split == "test" for item in photos):
        carved = all(item.photo.listed.split is None for item in photos)
        remedy = "give more photos" if carved else "mark some rows test, or leave `split` out to have some carved"
        raise UserError(f"{shown}: expected test photos, found none; {remedy}")


def _report(info: dict[str, Any]) -> None:
    console = Console()
    console.print(f"{info['source']}: {info['classes']} classes", soft_wrap=True)
    table = Table("photos", "of")
    for split, count in info["counts"].items():
        table.add_row(str(count), split)
    for reason, count in info["rejected"].items():
        table.add_row(str(count), f"set aside: {reason}")
    console.print(table)
