"""Evaluations as files: the one the app was given, and those that were published with the versions of the repository."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components.common.dataset import BOX_COLUMNS
from components.common.errors import UserError
from components.common.evaluation import IN_SAVED_MODEL
from serving.app.served import versions_in

PREDICTED_BOX_COLUMNS = [f"predicted_{name}" for name in BOX_COLUMNS]
COLUMNS = ["file", "label", "predicted", "score", *BOX_COLUMNS, *PREDICTED_BOX_COLUMNS, "width", "height", "iou"]


@dataclass(frozen=True)
class Figure:
    """`name` is the key in metrics.json; a share is written in per cent, anything else as it is."""

    name: str
    label: str
    share: bool = False
    lower_is_better: bool = False

    def write(self, value: float) -> str:
        return f"{value:.1%}" if self.share else f"{value:.3f}"

    def write_difference(self, value: float) -> str:
        """With its sign; of shares in percentage points."""
        return (f"{100 * value:+.1f} pp" if self.share else f"{value:+.3f}").replace("-", "\N{MINUS SIGN}")


FIGURES = (
    Figure("top1", "Top-1", share=True),
    Figure("top5", "Top-5", share=True),
    Figure("macro_f1", "Macro F1"),
    Figure("mean_iou", "Mean IoU"),
    Figure("iou_50", "IoU ≥ .50", share=True),
    Figure("iou_75", "IoU ≥ .75", share=True),
    Figure("ap", "AP"),
    Figure("ece", "Calibration error", lower_is_better=True),
)


@dataclass(frozen=True)
class Evaluation:
    """`folder` holds metrics.json and predictions.parquet; `version` is that of the model, None of one that is not published."""

    text: str
    folder: Path
    version: int | None = None


def evaluations(repository: str, model: str, folder: str) -> list[Evaluation]:
    """Those of the published versions, the newest first, then the one in `folder`; "" names none."""
    found = []
    root = Path(repository) / model
    if repository:
        for version in reversed(versions_in(Path(repository), model)):
            evaluation = root / str(version) / IN_SAVED_MODEL
            if evaluation.is_dir():
                found.append(Evaluation(f"version {version}", evaluation, version))
    if folder:
        found.append(Evaluation("the latest evaluation, published or not", Path(folder)))
    return found


def read_predictions(folder: Path) -> tuple[list[str], pd.DataFrame]:
    """The class names by id, and one row a photo with `COLUMNS` and `right`, whether the best answer is the class.

    Raises:
        UserError: no predictions there, or a file that is damaged or something else.
    """
    path = folder / "predictions.parquet"
    try:
        table = pq.read_table(path, columns=COLUMNS)
        classes = json.loads((pq.read_schema(path).metadata or {})[b"classes"])
        rows = table.to_pandas()
    except FileNotFoundError:
        raise UserError(f"{folder}: expected an evaluation written by evaluate, found no predictions.parquet") from None
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise UserError(f"{path}: expected the predictions of an evaluation, it is damaged or something else: {error}") from None
    if rows.empty or rows[COLUMNS].isna().to_numpy().any() or int(rows[["label", "predicted"]].to_numpy().max()) >= len(classes):
        raise UserError(f"{path}: expected the predictions of at least one photo of {len(classes)} classes; evaluate again")
    return classes, rows.assign(right=rows["label"] == rows["predicted"])


def differences(first: Mapping[str, Any], second: Mapping[str, Any], names: tuple[str, str]) -> pd.DataFrame:
    """A row a figure that both metrics hold: what it is, its value in the first and in the second as text, their difference (second
    minus first) as text, and `better`: whether the second is, None where they are equal."""
    rows = []
    for figure in FIGURES:
        a, b = first.get(figure.name), second.get(figure.name)
        if a is not None and b is not None:
            better = None if np.isclose(a, b, atol=5e-5) else (b > a) != figure.lower_is_better
            rows.append((figure.label, figure.write(a), figure.write(b), figure.write_difference(b - a), better))
    return pd.DataFrame(rows, columns=["figure", *names, "difference", "better"])


def agreement(first: pd.DataFrame, second: pd.DataFrame) -> dict[str, int] | None:
    """How many photos both models recognise, only the first, only the second, and neither; None where they are of other photos."""
    if len(first) != len(second) or not np.array_equal(first["file"].to_numpy(), second["file"].to_numpy()):
        return None
    a, b = first["right"].to_numpy(), second["right"].to_numpy()
    return {
        "both": int((a & b).sum()),
        "first": int((a & ~b).sum()),
        "second": int((~a & b).sum()),
        "neither": int((~a & ~b).sum()),
    }
