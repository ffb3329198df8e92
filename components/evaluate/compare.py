"""compare: two evaluations of the same photos -> what each gets right that the other does not, as a page and as JSON."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.markup import escape
from rich.table import Table

from components.common.errors import UserError
from components.common.records import open_records
from components.common.whole import whole_folder
from components.evaluate import metrics, slices
from components.evaluate.answers import photos_at
from components.evaluate.bootstrap import LEVEL, share_difference
from components.evaluate.contents import rows_of
from components.evaluate.evaluation import Evaluation, open_evaluation
from components.evaluate.page.figures import FURTHER, HEADLINE
from components.evaluate.page.render import render_comparison
from components.evaluate.paired import Difference, align, differences
from components.evaluate.photos import corner_and_size, pictures
from components.evaluate.predictions import Predictions

SCHEMA = "marque.comparison/1"
PAGE = "comparison.html"


def run(first: str, second: str, output: Path, records: Sequence[Path] = ()) -> Table:
    """Compares two evaluations and writes `comparison.html` and `comparison.json` into the folder `output`.

    Args:
        first, second: addresses of evaluations, or of published SavedModels that hold one; here or on `gs://`.
        output: the folder to write; an earlier comparison there is replaced.
        records: what both were evaluated on, for the photos; without them the page has none.

    Returns:
        The figures side by side, for a terminal.

    Raises:
        UserError: no evaluation there, or they are not of the same photos.
    """
    a, b = open_evaluation(first), open_evaluation(second)
    ours, theirs = align(a.predictions, b.predictions)
    found = differences(ours, theirs)
    both = ours.right.astype(int) + 2 * theirs.right
    counts = dict(zip(("neither", "only_a", "only_b", "both"), np.bincount(both, minlength=4).tolist(), strict=True))
    photos = list(_photos(ours, theirs, a.metrics["split"], records)) if records else []
    page = {
        "names": list(_short(first, second)),
        "metrics": [a.metrics, b.metrics],
        "differences": {name: asdict(difference) for name, difference in found.items()},
        "counts": counts,
        "classes": ours.classes,
        "per_class": rows_of(_per_class(ours, theirs)),
        "slices": rows_of(_slices(ours, theirs)),
        "photos": photos,
        "photos_left_out": len(theirs) - len(photos),
    }
    with whole_folder(output, PAGE) as folder:
        (folder / PAGE).write_text(render_comparison(page), "utf-8")
        kept = {name: page[name] for name in ("names", "differences", "counts", "per_class", "slices")}
        content = json.dumps({"schema": SCHEMA, "addresses": [first, second], **kept}, indent=1, ensure_ascii=False)
        (folder / "comparison.json").write_text(f"{content}\n", "utf-8")
    return _table(a, b, found)


def _short(first: str, second: str) -> tuple[str, str]:
    """The ends of two addresses from where they differ on, with one part before: `marque/1`, `marque/2`."""
    parts, others = first.rstrip("/").split("/"), second.rstrip("/").split("/")
    same = next((i for i, pair in enumerate(zip(parts, others, strict=False)) if pair[0] != pair[1]), min(len(parts), len(others)))
    start = max(min(same, len(parts) - 1, len(others) - 1) - 1, 0)
    return "/".join(parts[start:]), "/".join(others[start:])


def _per_class(a: Predictions, b: Predictions) -> pd.DataFrame:
    first, second = (metrics.per_class(metrics.confusion(each), each) for each in (a, b))
    return pd.DataFrame(
        {
            "class": a.classes,
            "support": first.support,
            "recall_a": first.recall,
            "recall_b": second.recall,
            "iou_a": first.mean_iou,
            "iou_b": second.mean_iou,
        }
    )


def _slices(a: Predictions, b: Predictions) -> pd.DataFrame:
    """The difference in top-1 of each slice, with its 95% interval."""
    gained, lost = b.right & ~a.right, a.right & ~b.right
    rows = []
    for dimension, values in slices.names(a).items():
        if dimension == "confidence":  # it is the first model's
            continue
        for value in values.unique():
            inside = values == value
            photos, more, less = (int(np.count_nonzero(each & inside)) for each in (inside, gained, lost))
            low, high = share_difference(more, less, photos, (1 + LEVEL) / 2)
            rows.append((dimension, str(value), photos, (more - less) / photos, float(low), float(high)))
    return pd.DataFrame(rows, columns=["dimension", "value", "photos", "difference", "low", "high"])


def _photos(a: Predictions, b: Predictions, split: str, records: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """Those where one is right and the other is not first, then those that both miss, then the rest."""
    opened = open_records(records)
    order = np.lexsort((-np.abs(a.scores - b.scores), np.select([a.right != b.right, ~a.right], [0, 1], 2)))
    _check_same(a, [example["file"].decode("utf-8") for example in opened.examples(split)])
    for row, picture in zip(order.tolist(), pictures(photos_at(opened, split, order.tolist()), len(order)), strict=False):
        yield {
            "file": a.files[row].as_py(),
            "picture": picture,
            "width": int(a.sizes[row, 0]),
            "height": int(a.sizes[row, 1]),
            "true": int(a.labels[row]),
            "true_box": corner_and_size(a.true_boxes[row]),
            **_answer("a", a, row),
            **_answer("b", b, row),
        }


def _answer(which: str, predictions: Predictions, row: int) -> dict[str, Any]:
    return {
        f"predicted_{which}": int(predictions.predicted[row]),
        f"score_{which}": round(float(predictions.scores[row]), 4),
        f"iou_{which}": round(float(predictions.iou[row]), 4),
        f"box_{which}": corner_and_size(predictions.boxes[row]),
    }


def _check_same(predictions: Predictions, files: list[str]) -> None:
    if predictions.files.to_pylist() != files:
        raise UserError(
            f"records: expected the {len(predictions)} photos of the evaluations in their order, received {len(files)} others"
        )


def _table(a: Evaluation, b: Evaluation, found: dict[str, Difference]) -> Table:
    table = Table("figure", *map(escape, _short(a.address, b.address)), "difference", "95% interval")
    for figure in (*HEADLINE, *FURTHER):
        difference = found[figure.name]
        table.add_row(
            figure.label,
            figure.write(a.metrics[figure.name]),
            figure.write(b.metrics[figure.name]),
            figure.write_difference(difference.difference),
            f"{figure.write_difference(difference.low)} to {figure.write_difference(difference.high)}",
        )
    return table
