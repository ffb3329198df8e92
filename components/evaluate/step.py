"""evaluate: an exported SavedModel and the records of a split -> figures, tables, pictures, a report, a model card and a verdict.

What it writes, `components/common/evaluation.py` lists; the folder is there whole or not at all.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.common.dataset import SCHEMA as DATASET_SCHEMA
from components.common.dataset import SPLITS, read_info
from components.common.errors import UserError
from components.common.evaluation import SCHEMA
from components.common.fingerprint import fingerprint
from components.common.records import open_records
from components.common.whole import whole_folder
from components.evaluate import card, metrics, pictures, predictions, slices, tables
from components.evaluate.answers import Clock, ask
from components.evaluate.contents import contents
from components.evaluate.explain.network import load_network
from components.evaluate.gate import Demands, verdict
from components.evaluate.history import read_history
from components.evaluate.page.render import render_report
from components.evaluate.predict import load_servable


def run(
    saved_model: Path,
    records: Sequence[Path],
    output: Path,
    *,
    demands: Demands | None = None,
    champion: str = "",
    override: str = "",
    model: Path | None = None,
    dataset: Path | None = None,
    batch: int = 64,
    split: str = "test",
) -> dict[str, Any]:
    """Evaluates `saved_model` on `split` and writes the folder `output`.

    Args:
        saved_model: what export wrote.
        records: the folders that shard wrote.
        output: the folder to write; an earlier evaluation there is replaced.
        demands: of the verdict; those by default where None.
        champion: the address of what the model would replace, see `gate.verdict`.
        override: why to let a refused model through, "" for not.
        model: the folder that train wrote, for the training curves, the recipe and the heat maps.
        dataset: the folder that ingest wrote, for where the photos came from and what was set aside.
        batch: photos a call of the signature.

    Returns:
        What metrics.json holds: `schema`, `split`, `photos`, `classes`; the figures of `metrics.Figures`, their `intervals` [low,
        high] of 95% from so many `resamples`; `mean_box_iou_baseline`; `images_per_s`, `latency_ms`; `model`, the SavedModel's
        fingerprint; `gate`, the demands; `blessed`, `reasons`, `override`, `champion`.

    Raises:
        UserError: no SavedModel or no records there, an empty split, classes that the model does not know, answers that are not
            finite, or a model or a dataset that is none.
    """
    if split not in SPLITS:
        raise UserError(f"split: expected one of {', '.join(SPLITS)}, received {split!r}")
    if batch < 1:
        raise UserError(f"batch: expected at least 1 photo, received {batch}")
    demands = demands or Demands()
    history = None if model is None else read_history(model / "history.csv")
    recipe = card.read_recipe(model)
    source = {} if dataset is None else read_info(dataset / "dataset.json", DATASET_SCHEMA, "a dataset written by ingest")
    opened = open_records(records)
    servable, identity = load_servable(saved_model), fingerprint(saved_model)
    network = None if model is None else load_network(model)

    with whole_folder(output, "metrics.json") as folder:
        clock = Clock()
        predictions.write(folder / "predictions.parquet", ask(servable, opened, split, batch, clock), servable.classes)
        answered = predictions.read(folder / "predictions.parquet")
        figures = metrics.summary(answered)
        sliced = slices.table(answered, figures["top1"])
        judged = verdict(answered, figures, sliced, demands, model=identity, champion=champion, override=override)
        result = {
            "schema": SCHEMA,
            "split": split,
            **figures,
            "mean_box_iou_baseline": metrics.mean_iou_of_always(opened.mean_train_box, answered),
            **clock.figures(),
            "model": identity,
            "gate": vars(demands),
            **vars(judged),
        }
        matrix = metrics.confusion(answered)
        per_class = tables.per_class(metrics.per_class(matrix, answered), answered.classes)
        about = card.content(result, sliced, opened, source, recipe)
        words = card.markdown(about)
        page = contents(answered, result, matrix, per_class, sliced, (about, words), history, opened, network)

        tables.confusion(matrix, answered.classes).to_csv(folder / "confusion.csv", lineterminator="\n")
        for name, table in (("per_class.csv", per_class), ("slices.csv", sliced)):
            table.to_csv(folder / name, index=False, float_format="%.6f", lineterminator="\n")
        (folder / "confusion.png").write_bytes(pictures.confusion(matrix, answered.classes))
        (folder / "iou.png").write_bytes(pictures.iou_histogram(answered.iou, result["mean_box_iou_baseline"]))
        (folder / "model_card.md").write_text(words, "utf-8")
        _write_json(folder / "model_card.json", about)
        (folder / "report.html").write_text(render_report(page), "utf-8")
        _write_json(folder / "metrics.json", result)
    return result


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")
