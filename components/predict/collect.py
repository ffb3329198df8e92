"""collect: all parts of a batch -> `predictions.parquet` and `summary.json`, in the same place.

The table is written part by part, in the order of the listing; the summary goes last, so where it is, all is.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.common.errors import UserError
from components.common.progress import track
from components.predict.listing import Listing, read_listing
from components.predict.part import COLUMNS, SCHEMA, About, part_name, read_part
from components.predict.place import Place, open_place

TABLE = "predictions.parquet"
SUMMARY = "summary.json"
ROW_GROUP_PHOTOS = 8192
REASONS = 10
REASON_CHARACTERS = 80


def run(listing: Path, model: str, output: str, reports: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Joins the parts of a batch; returns what summary.json holds.

    Args:
        listing: what `write_listing` wrote.
        model: the model's address, for the summary.
        output: where the parts are, and where the table and the summary go.
        reports: what each task of predict returned.

    Returns:
        `schema`, `source`, `model` {`address`, `fingerprint`}, `photos`, `errors`, `reasons` {of errors: photos}, `ignored` files,
        `chunks`, `chunks_reused` of earlier runs, `tasks`, `seconds` of the slowest task, `photos_answered` in this run and
        `photos_per_s` of all tasks together, `columns` {name: type}.

    Raises:
        UserError: a part is missing, or is one of other photos or of another model than its neighbours.
    """
    opened = read_listing(listing)
    identity = reports[0]["model"]
    answered, seconds = sum(int(report["photos"]) for report in reports), max(report["seconds"] for report in reports)
    with open_place(output, "output") as place, tempfile.TemporaryDirectory(prefix="marque-collect-") as scratch:
        table = Path(scratch) / TABLE
        errors, reasons = _join(table, place, opened, identity)
        summary = {
            "schema": SCHEMA,
            "source": opened.info["source"],
            "model": {"address": model, "fingerprint": identity},
            "photos": opened.info["photos"],
            "errors": errors,
            "reasons": dict(reasons.most_common(REASONS)),
            "ignored": opened.info["ignored"],
            "chunks": opened.chunks,
            "chunks_reused": sum(int(report["reused"]) for report in reports),
            "tasks": len(reports),
            "seconds": round(seconds, 2),
            "photos_answered": answered,
            "photos_per_s": round(answered / seconds, 1),
            "columns": {field.name: str(field.type) for field in COLUMNS},
        }
        (Path(scratch) / SUMMARY).write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", "utf-8")
        place.write(TABLE, table)
        place.write(SUMMARY, Path(scratch) / SUMMARY)
    return summary


def _join(path: Path, place: Place, listing: Listing, model: str) -> tuple[int, Counter[str]]:
    """Writes all parts into one table; returns the number of errors and their reasons."""
    errors, reasons = 0, Counter[str]()
    waiting: list[pa.Table] = []
    about = json.dumps({"schema": SCHEMA, "model": model, "source": listing.info["source"]})
    with pq.ParquetWriter(path, COLUMNS.with_metadata({"marque": about})) as writer:
        for chunk in track(range(listing.chunks), "parts joined"):
            said, table = _part(place, listing, chunk, model)
            errors += said.errors
            reasons.update(reason[:REASON_CHARACTERS] for reason in pc.drop_null(table["error"]).to_pylist())
            waiting.append(table.replace_schema_metadata(None))
            if sum(map(len, waiting)) >= ROW_GROUP_PHOTOS or chunk == listing.chunks - 1:
                writer.write_table(pa.concat_tables(waiting))
                waiting = []
    return errors, reasons


def _part(place: Place, listing: Listing, chunk: int, model: str) -> tuple[About, pa.Table]:
    where = f"{place.uri}/{part_name(chunk)}"
    try:
        part = read_part(place.read(part_name(chunk)))
    except FileNotFoundError:
        part = None
    if part is None:
        raise UserError(f"{where}: expected the answers to a chunk, found none or a damaged file; run the batch again")
    if part[0].key != listing.key(chunk, model):
        raise UserError(f"{where}: expected answers to this batch's photos by its model, found others; run the batch again")
    return part
