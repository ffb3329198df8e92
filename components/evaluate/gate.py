"""The verdict on a model: blessed when it meets every demand, and the reasons say in words what it met and what not.

- Minima of top-1 accuracy and mean IoU.
- Floors of top-1 accuracy for slices: of a whole dimension (`{"body": 0.5}`) or of one (`{"make=Audi": 0.4}`).
- Against a champion, on the same photos: with 95% confidence not worse than it by more than `max_drop`, neither in top-1 nor in
  mean IoU; and better in top-1 by `min_gain`. What cannot be compared is refused.

An override, given as the reason for it, lets a refused model through and is on record.
"""

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import pandas as pd

from components.common.errors import UserError
from components.common.settings import build
from components.evaluate.evaluation import open_evaluation
from components.evaluate.metrics import GatedFigures
from components.evaluate.paired import Difference, align, differences
from components.evaluate.predictions import Predictions
from components.evaluate.slices import DIMENSIONS, JUDGED_PHOTOS

WAY_OUT = "Without it, run with champion=none once, or give an override."
NAMES = {"top1": "Top-1 accuracy", "mean_iou": "Mean IoU"}


@dataclass(frozen=True)
class Demands:
    """What a model has to meet, all shares in 0-1; 0 and {} ask for nothing.

    Raises:
        UserError: a share outside 0-1, or a floor of something that is no dimension of `slices`.
    """

    min_top1: float = 0.0
    min_mean_iou: float = 0.0
    max_drop: float = 0.02
    min_gain: float = 0.0
    slice_floors: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shares = {**dataclasses.asdict(self), **{f"slice_floors {name}": floor for name, floor in self.slice_floors.items()}}
        del shares["slice_floors"]
        for name, share in shares.items():
            if isinstance(share, bool) or not isinstance(share, float | int) or not 0 <= share <= 1:
                raise UserError(f"{name}: expected a number in 0-1, received {share!r}")
        for name in self.slice_floors:
            dimension, equals, value = str(name).partition("=")
            if dimension not in DIMENSIONS or (equals and not value):
                raise UserError(f"slice_floors: expected one of {', '.join(DIMENSIONS)}, or dimension=value, received {name!r}")

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """The demands in `settings`, the others as by default.

        Raises:
            UserError: an unknown name, or a value that is none.
        """
        return build(cls, settings, "gate settings")


@dataclass(frozen=True)
class Verdict:
    """`missed` are those of the `reasons` that speak against it; `override` is the reason why a refused model was let through, ""
    where none was; `champion` tells what it was compared with: `address` and `differences` of `GatedFigures`, None where it was
    not.
    """

    blessed: bool
    reasons: list[str]
    missed: list[str]
    override: str
    champion: dict[str, Any] | None


@dataclass(frozen=True)
class _Check:
    passed: bool
    reason: str


def verdict(
    predictions: Predictions,
    figures: Mapping[str, Any],
    slices: pd.DataFrame,
    demands: Demands,
    *,
    model: str = "",
    champion: str = "",
    override: str = "",
) -> Verdict:
    """Judges a model.

    Args:
        predictions: its answers.
        figures: theirs, of `metrics.Figures`.
        slices: theirs, of `slices.table`.
        demands: what it has to meet.
        model: its fingerprint; a champion of the same is no rival.
        champion: the address of the evaluation, or of the published version, that it would replace; "" or "none" for none.
        override: why to let it through whatever comes out; "" for not.
    """
    override = " ".join(override.split())
    checks = [
        _minimum("top1", figures["top1"], demands.min_top1),
        _minimum("mean_iou", figures["mean_iou"], demands.min_mean_iou),
        *(_floor(slices, name, floor) for name, floor in demands.slice_floors.items()),
    ]
    compared = None
    if champion not in ("", "none"):
        against, found = _against(predictions, model, champion, demands)
        checks += against
        compared = {"address": champion, "differences": {name: dataclasses.asdict(each) for name, each in found.items()}}
    else:
        checks.append(_Check(True, "There is no champion to compare with."))
    missed = [check.reason for check in checks if not check.passed]
    reasons = [*missed, *(check.reason for check in checks if check.passed)]
    if override:
        reasons.append(f"Let through in spite of that: {override}" if missed else f"An override was not needed: {override}")
    return Verdict(not missed or bool(override), reasons, missed, override if missed else "", compared)


def _minimum(name: str, value: float, minimum: float) -> _Check:
    if minimum == 0:
        return _Check(True, f"{NAMES[name]} is {value:.4f}; no minimum was set.")
    if value >= minimum:
        return _Check(True, f"{NAMES[name]} is {value:.4f}, which reaches the minimum of {minimum:g}.")
    # so that a model that misses by a hair does not read "0.7000, below the minimum of 0.7"
    below = "below" if round(value, 4) < minimum else "a hair below"
    return _Check(False, f"{NAMES[name]} is {value:.4f}, {below} the minimum of {minimum:g}.")


def _floor(slices: pd.DataFrame, name: str, floor: float) -> _Check:
    dimension, _, value = name.partition("=")
    rows = slices[(slices["dimension"] == dimension) & (slices["value"].eq(value) if value else True)]
    if dimension not in set(slices["dimension"]):
        return _Check(True, f"The {dimension} tells no photos apart, so the floor of {floor:g} of {name} was not asked for.")
    if rows.empty:
        known = slices[slices["dimension"] == dimension]["value"].tolist()
        near = ", ".join(difflib.get_close_matches(value, known) or known[:5])
        return _Check(False, f"There is no slice {name}, so its floor of {floor:g} cannot be checked; there are {near} and others.")
    judged = rows[rows["photos"] >= JUDGED_PHOTOS]
    if judged.empty:
        return _Check(True, f"No slice of {name} has {JUDGED_PHOTOS} photos, so its floor of {floor:g} was not asked for.")
    low = judged[judged["top1"] < floor].sort_values("top1")
    if low.empty:
        return _Check(True, f"Every slice of {name} with {JUDGED_PHOTOS} photos or more reaches the floor of {floor:g}.")
    worst = "; ".join(f"{row.value} {row.top1:.4f} of {row.photos} photos" for row in low.head(3).itertuples())
    return _Check(
        False, f"Top-1 accuracy is below the floor of {floor:g} in {len(low)} of {len(judged)} slices of {name}: {worst}."
    )


def _against(predictions: Predictions, model: str, champion: str, demands: Demands) -> tuple[list[_Check], dict[str, Difference]]:
    try:
        evaluation = open_evaluation(champion)
        if model and evaluation.metrics.get("model") == model:
            return [_Check(True, f"The champion {champion} is this very model.")], {}
        found = differences(*align(evaluation.predictions, predictions), GatedFigures)
    except UserError as error:
        return [_Check(False, f"The champion cannot be compared with: {error}. {WAY_OUT}")], {}
    checks = [_Check(True, f"The champion is {champion}, compared on the same {len(predictions):,} photos.")]
    checks += [_not_worse(name, found[name], demands.max_drop) for name in NAMES]
    if demands.min_gain:
        gain = found["top1"].difference
        words = "reaches" if gain >= demands.min_gain else "is below"
        reason = f"Top-1 accuracy is {gain:+.4f} against the champion's, which {words} the gain of {demands.min_gain:g} asked for."
        checks.append(_Check(gain >= demands.min_gain, reason))
    return checks, found


def _not_worse(name: str, found: Difference, max_drop: float) -> _Check:
    measured = (
        f"{NAMES[name]} is {found.difference:+.4f} against the champion's (95% interval {found.low:+.4f} to {found.high:+.4f})"
    )
    if found.at_least >= -max_drop:
        return _Check(True, f"{measured}: with 95% confidence not worse by more than {max_drop:g}, which is allowed.")
    doubt = "it is worse, and" if found.high < 0 else "with so few photos"
    return _Check(False, f"{measured}: {doubt} it may be worse by more than {max_drop:g}, which is allowed.")
