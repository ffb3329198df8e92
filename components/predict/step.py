"""predict: one task's chunks of a listing -> `part-00003.parquet` each, in the output place, whole or not at all.

A part that is there, of the same photos and the same model, is left alone: a task that was killed goes on where it was. Tasks share
nothing but the output place. Only the photos that are read ahead and the answers to one chunk are held.
"""

import tempfile
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console

from components.common import storage
from components.common.errors import UserError
from components.common.evaluation import PUBLISHED
from components.common.fingerprint import fingerprint
from components.common.progress import track
from components.predict.listing import Listing, read_listing
from components.predict.part import part_name, read_part, write_part
from components.predict.photos import Ready, read_ahead, read_photo
from components.predict.place import Place, open_place
from components.predict.servable import Answer, Servable

MAX_MODEL_BYTES = 20 * 2**30
READ_THREADS = 8


def run(listing: Path, model: str, output: str, *, task: int = 0, tasks: int = 1, batch: int = 32) -> dict[str, Any]:
    """Answers every `tasks`-th chunk of the folder `listing`, from chunk `task` on.

    Args:
        listing: what `write_listing` wrote.
        model: a SavedModel, such as the published version `<repository>/<model>/<version>`; a folder or gs://.
        output: where the parts go; a folder or gs://bucket/prefix.
        task: which of the `tasks` that share the work this is, from 0.
        batch: photos a call of the model.

    Returns:
        `photos` answered now and `errors` among them, `chunks` and those `reused`, `seconds` of work, `model` (its fingerprint).

    Raises:
        UserError: no listing, no model of Marque's, a place that cannot be read or written, or answers that are not finite.
    """
    if not 0 <= task < tasks or batch < 1:
        raise UserError(f"expected 0 <= task < tasks and a batch of at least 1, received {task}, {tasks} and {batch}")
    opened = read_listing(listing)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="marque-predict-") as scratch:
        folder = storage.fetch_tree(model, Path(scratch) / "model", max_bytes=MAX_MODEL_BYTES) if "://" in model else Path(model)
        # as deploy does: a version's card and evaluation do not make it another model
        identity = fingerprint(folder, without=PUBLISHED.values())
        with open_place(output, "output") as out, open_place(opened.info["source"], "photos") as source:
            mine = range(task, opened.chunks, tasks)
            missing = _missing(out, opened, mine, identity)
            if reused := len(mine) - len(missing):
                _say(f"predict: {reused} of {len(mine)} chunks were there already")
            errors = 0
            with warnings.catch_warnings():
                # Pillow warns of odd metadata, which does no harm; here, as `prepare`'s own filter is not safe among threads
                warnings.filterwarnings("ignore", module="PIL")
                if missing:
                    servable = Servable(folder, model)
                    errors = _answer(servable, opened, missing, source, out, Path(scratch), identity, batch)
    return {
        "photos": sum(len(opened.chunk(chunk)) for chunk in missing),
        "errors": errors,
        "chunks": len(mine),
        "reused": reused,
        "seconds": time.monotonic() - began,
        "model": identity,
    }


def _missing(out: Place, listing: Listing, chunks: Sequence[int], model: str) -> list[int]:
    """Those of `chunks` that have no part, or one of other photos or of another model."""
    there = {file.name for file in out.files()}

    def is_missing(chunk: int) -> bool:
        part = read_part(out.read(part_name(chunk))) if part_name(chunk) in there else None
        return part is None or part[0].key != listing.key(chunk, model)

    with ThreadPoolExecutor(READ_THREADS) as pool:
        return [chunk for chunk, missing in zip(chunks, pool.map(is_missing, chunks), strict=True) if missing]


def _answer(
    servable: Servable, listing: Listing, chunks: Sequence[int], source: Place, out: Place, scratch: Path, model: str, batch: int
) -> int:
    """Writes the parts of `chunks`; returns how many of their photos have an error."""
    errors = 0
    rows = (row for chunk in chunks for row in listing.chunk(chunk).to_pylist())
    photos = read_ahead(partial(_read, source), rows, threads=READ_THREADS, ahead=2 * batch)
    ready = track(photos, "photos answered", sum(len(listing.chunk(chunk)) for chunk in chunks))
    for chunk in chunks:
        left = len(listing.chunk(chunk))
        answers: list[Answer] = []
        while left:
            group = list(islice(ready, min(batch, left)))
            answers += servable.answer(group)
            left -= len(group)
        errors += sum(bool(answer.error) for answer in answers)
        path = scratch / part_name(chunk)
        write_part(path, answers, listing.key(chunk, model), model)
        out.write(path.name, path)
        path.unlink()
    next(ready, None)  # so that it says that it is done
    return errors


def _read(source: Place, row: dict[str, Any]) -> Ready:
    return read_photo(source, row["file"], row["bytes"])


def _say(words: str) -> None:
    Console(highlight=False, soft_wrap=True).print(words, markup=False)
