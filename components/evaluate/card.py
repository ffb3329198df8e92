"""The model card (Mitchell et al., "Model cards for model reporting", 2019): one content, as JSON for programs and as Markdown for
people.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

import components
from components.common.errors import UserError
from components.common.fingerprint import fingerprint
from components.common.records import Records
from components.common.templates import environment
from components.evaluate.page.figures import FURTHER, HEADLINE
from components.evaluate.slices import JUDGED_PHOTOS

SCHEMA = "marque.card/1"
FIGURES = (*HEADLINE, *FURTHER)
INTENDED_USE = (
    "Photos of one car, like those it was trained on: it answers the likeliest of its classes and one box whatever it is shown, "
    "also where there is no car, or one that it never saw. Not for decisions about people, such as finding an owner or a driver."
)
LICENCE = (
    "The photos belong to their owners, and their terms bind the use of this model, too. Stanford Cars (Krause et al., 2013), "
    "where it is the source, is for research; drawn cars (toy://) are free of terms."
)
WEAK_SHOWN = 10


def read_recipe(model: Path | None) -> dict[str, Any]:
    """The settings in config.json of a folder that train wrote, without its classes; none without a folder.

    Raises:
        UserError: no config.json there, or one that is no JSON object.
    """
    if model is None:
        return {}
    try:
        config = json.loads((model / "config.json").read_text("utf-8"))
        return {name: value for name, value in config.items() if name != "classes"}
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"{model}: expected a model written by train, cannot read its config.json: {error}") from None


def content(
    metrics: Mapping[str, Any], slices: pd.DataFrame, records: Records, dataset: Mapping[str, Any], recipe: Mapping[str, Any]
) -> dict[str, Any]:
    """The card as JSON.

    Args:
        metrics: what metrics.json holds.
        slices: of `slices.table`.
        records: what the model was trained and evaluated on.
        dataset: what the dataset's dataset.json holds; may be empty.
        recipe: the training settings; may be empty.
    """
    train = [count for count in records.counts["train"] if count]
    return {
        "schema": SCHEMA,
        "model": {"backbone": recipe.get("backbone", ""), "image_px": recipe.get("image_px", 0)},
        "intended_use": INTENDED_USE,
        "licence": LICENCE,
        "verdict": {
            "words": _verdict(metrics),
            **{name: metrics[name] for name in ("blessed", "reasons", "missed", "override", "champion")},
        },
        "figures": {name: metrics[name] for name in ("split", "photos", "resamples", "mean_box_iou_baseline", "intervals")}
        | {figure.name: metrics[figure.name] for figure in FIGURES},
        "weak_slices": slices[slices["weak"].astype(bool)].sort_values("top1").head(WEAK_SHOWN).to_dict("records"),
        "data": {
            "source": dataset.get("source", ""),
            "classes": len(records.classes),
            "photos": {split: sum(counts) for split, counts in records.counts.items()},
            "imbalance": max(train) / min(train) if train else 1.0,
            "rejected": dataset.get("rejected", {}),
        },
        "recipe": dict(recipe),
        "hashes": {
            "dataset": dataset.get("id", "not on record"),
            "records": records.identity,
            "model": metrics["model"],
            "code": fingerprint(Path(components.__path__[0])),
        },
    }


def markdown(card: Mapping[str, Any]) -> str:
    """The card for people."""
    # it is no markup; what comes from outside goes through `text`
    templates = environment(Path(__file__).parent)
    templates.filters["text"] = _text
    page = templates.get_template("card.md.j2").render(card=card, figures=FIGURES, judged_photos=JUDGED_PHOTOS)
    return re.sub(r"\n{3,}", "\n\n", page)


def _verdict(metrics: Mapping[str, Any]) -> str:
    if metrics["override"]:
        return "**Let through against the verdict.**"
    return "**Blessed** by the gate:" if metrics["blessed"] else "**Refused** by the gate:"


def _text(value: Any) -> str:
    """What came from outside as Markdown that shows it as it is, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>#|!&~])", r"\\\1", " ".join(str(value).split()))
