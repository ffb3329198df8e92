"""monitor: recent requests and their answers against the training data -> a verdict and a page.

<output>/
  drift.json   schema marque.drift/1: `verdict` (drift, no drift, too few requests), `drift` (true, false, null), `reasons`,
               `tests` (see `verdict.judge`), `model`, `source`, `photos`, `repeated`, `undecodable`, `unknown_class`, `from` and
               `to` (UTC), `files`, `damaged` [{file, reason}], `left_out` {reason: requests}, `settings`
  drift.html   the same for people, with the strangest photos; opens from a file and loads nothing

The folder is there whole or not at all. What is held grows by a few numbers a photo, not by the photos. The p-values take photos
for independent: a camera that sends the same scene all day makes them too small; equal photos count once.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.common.errors import UserError
from components.common.progress import track
from components.common.whole import whole_folder
from components.monitor.logs import Reading, read_log, read_table
from components.monitor.measures import Collector
from components.monitor.page import render
from components.monitor.reference import read_reference
from components.monitor.verdict import Demands, judge

SCHEMA = "marque.drift/1"
INFO = "drift.json"
PAGE = "drift.html"


def run(logs: str, model: str, records: Sequence[str], output: Path, *, demands: Demands | None = None) -> dict[str, Any]:
    """Checks recent requests for drift; returns what drift.json holds.

    Args:
        logs: the folder (or gs://) that a server logs into, `<logs>/<model>/*.tfrecord`; or a batch's predictions.parquet, which
            has no photos, so that brightness and sharpness are left out.
        model: the published version that answered, `<repository>/<model>/<version>`, a folder or gs://.
        records: the folders (or gs://) that shard wrote of the training data; without any, brightness and sharpness are left out.
        output: the folder to write; an earlier one is replaced.
        demands: what a drift is; by default where None.

    Raises:
        UserError: no log, no published version, no records where there should be, a batch of another model, or an `output` that
            holds something else.
    """
    if not logs:
        raise UserError("logs: expected a request log or a batch's predictions.parquet, received ''")
    demands = demands or Demands()
    reference, classes = read_reference(model, records, demands.sample_photos)
    collector, reading = Collector(classes), Reading()
    with whole_folder(output, INFO) as folder:
        answered = read_table(logs, model, reading) if logs.endswith(".parquet") else read_log(logs, model, reading)
        for photo in track(answered, "photos measured"):
            collector.take(photo)
            if collector.photos == demands.max_photos:
                break
        result = {
            "schema": SCHEMA,
            **judge(reference, collector.measures(), classes, demands),
            "model": model,
            "source": logs,
            "photos": collector.photos,
            "repeated": collector.repeated,
            "undecodable": collector.undecodable,
            "unknown_class": collector.unknown,
            "from": _time(collector.first_s),
            "to": _time(collector.last_s),
            "files": reading.files,
            "damaged": [{"file": file, "reason": reason} for file, reason in reading.damaged],
            "left_out": dict(reading.left_out),
            "settings": vars(demands),
        }
        page = render(result, reference, collector.measures(), collector.strangest())
        (folder / PAGE).write_text(page, "utf-8")
        (folder / INFO).write_text(json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")
    return result


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M") if seconds else ""
