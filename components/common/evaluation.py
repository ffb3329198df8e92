"""The folder that `evaluate` writes, and what of it `deploy` puts into a published SavedModel, so that a later model can be
compared.

<folder>/
  metrics.json          schema, figures with intervals, verdict with reasons; `model` is the fingerprint of the SavedModel
  predictions.parquet   one row a photo, see `components.evaluate.predictions`
  model_card.md, .json  what the model is, for people and for programs
  report.html, confusion.csv, per_class.csv, slices.csv, confusion.png, iou.png

<SavedModel>/assets.extra/
  model_card.md, .json
  evaluation/metrics.json, predictions.parquet
"""

from pathlib import Path
from typing import Any

from components.common.dataset import read_info
from components.common.errors import UserError
from components.common.fingerprint import fingerprint

SCHEMA = "marque.metrics/2"
IN_SAVED_MODEL = "assets.extra/evaluation"
PUBLISHED = {
    "metrics.json": f"{IN_SAVED_MODEL}/metrics.json",
    "predictions.parquet": f"{IN_SAVED_MODEL}/predictions.parquet",
    "model_card.md": "assets.extra/model_card.md",
    "model_card.json": "assets.extra/model_card.json",
}
"""Where deploy puts which file of the folder, within the SavedModel."""


def read_metrics(folder: Path) -> dict[str, Any]:
    """What metrics.json of an evaluation holds.

    Raises:
        UserError: no evaluation there, or one of another schema.
    """
    return read_info(folder / "metrics.json", SCHEMA, "an evaluation written by evaluate")


def check_model(metrics: dict[str, Any], evaluation: Path, saved_model: Path) -> str:
    """The fingerprint of `saved_model`, which the `metrics` of `evaluation` must be of.

    Raises:
        UserError: they are of another model.
    """
    if metrics.get("model") != (identity := fingerprint(saved_model)):
        raise UserError(
            f"{evaluation}: expected the evaluation of {saved_model}, received that of another model; run evaluate again"
        )
    return identity
