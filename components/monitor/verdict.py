"""The verdict: what has drifted, so far that it matters and so clearly that it is no accident."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from components.common.errors import UserError
from components.common.settings import build
from components.monitor.measures import Measures
from components.monitor.statistics import Comparison, compare_counts, compare_numbers, holm

DRIFT = "drift"
NO_DRIFT = "no drift"
TOO_FEW = "too few requests"
SOME_PSI = 0.1
CHANGED_CLASSES = 12
NUMBERS = {"confidence": "confidence", "box_size": "box size", "brightness": "brightness", "sharpness": "sharpness"}


@dataclass(frozen=True)
class Demands:
    """What a drift is, and how many photos it takes.

    Attributes:
        min_photos: with fewer there is no verdict.
        max_photos: the newest that are looked at.
        alpha: the chance of a false alarm that is taken, over all tests together.
        min_effect: the PSI, above what chance gives, from which a shift matters.
        sample_photos: training photos that are looked at, for brightness and sharpness.
        seed: of the simulated p-values.
    """

    min_photos: int = 200
    max_photos: int = 5000
    alpha: float = 0.01
    min_effect: float = 0.2
    sample_photos: int = 2000
    seed: int = 0

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """Demands from `settings`, those by default where they say nothing.

        Raises:
            UserError: an unknown name or a value out of its range.
        """
        demands = build(cls, settings, "monitor_settings")
        if not 0 < demands.alpha < 1:
            raise UserError(f"alpha: expected a number between 0 and 1, received {demands.alpha:g}")
        if demands.min_effect < 0:
            raise UserError(f"min_effect: expected 0 or more, received {demands.min_effect:g}")
        if not 1 <= demands.min_photos <= demands.max_photos or demands.sample_photos < 1 or demands.seed < 0:
            raise UserError(
                "expected 1 <= min_photos <= max_photos, sample_photos of at least 1 and a seed of 0 or more, received "
                f"{demands.min_photos}, {demands.max_photos}, {demands.sample_photos} and {demands.seed}"
            )
        return demands


def judge(reference: Measures, recent: Measures, classes: list[str], demands: Demands) -> dict[str, Any]:
    """Compares recent requests with the reference.

    Returns:
        `verdict` (drift, no drift, too few requests), `drift` (true, false, null), `reasons` in words, and `tests`, one for each
        thing that both have: `name`, `test`, `statistic`, `p`, `p_adjusted` (Holm), `psi`, `effect`, `level` (none, some, drift),
        `photos` {`reference`, `recent`}; of a number `quantiles` (10%, 50%, 90%) of both, of the class mix `changed`, the classes
        whose shares differ most.
    """
    few = len(recent.labels) < demands.min_photos
    tests = [] if not len(recent.labels) else _tests(reference, recent, classes, demands)
    for test, adjusted in zip(tests, holm([test["p"] for test in tests]), strict=True):
        test["p_adjusted"] = adjusted
        matters = test["effect"] >= demands.min_effect and adjusted < demands.alpha
        test["level"] = "drift" if matters and not few else "some" if test["effect"] >= SOME_PSI else "none"
    drifted = [test for test in tests if test["level"] == "drift"]
    if few:
        reasons = [f"Expected at least {demands.min_photos} photos, found {len(recent.labels)}."]
        return {"verdict": TOO_FEW, "drift": None, "reasons": reasons, "tests": tests}
    reasons = [_words(test) for test in drifted] or ["Nothing differs both by so much that it matters and clearly."]
    return {"verdict": DRIFT if drifted else NO_DRIFT, "drift": bool(drifted), "reasons": reasons, "tests": tests}


def p_value(p: float) -> str:
    """As people read it; the simulation knows nothing below 0.0005."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _tests(reference: Measures, recent: Measures, classes: list[str], demands: Demands) -> list[dict[str, Any]]:
    counts = [np.bincount(each.labels, minlength=len(classes)) for each in (reference, recent)]
    tests = [_test("class mix", compare_counts(counts[0], counts[1], demands.seed), len(reference.labels), len(recent.labels))]
    tests[0]["changed"] = _changed(counts[0], counts[1], classes)
    for field, name in NUMBERS.items():
        before, now = getattr(reference, field), getattr(recent, field)
        if len(before) and len(now):
            quantiles = {"reference": _quantiles(before), "recent": _quantiles(now)}
            tests.append(_test(name, compare_numbers(before, now, demands.seed), len(before), len(now)) | {"quantiles": quantiles})
    return tests


def _test(name: str, found: Comparison, reference: int, recent: int) -> dict[str, Any]:
    return {"name": name, **vars(found), "photos": {"reference": reference, "recent": recent}}


def _changed(reference: NDArray[np.int64], recent: NDArray[np.int64], classes: list[str]) -> list[dict[str, Any]]:
    before, now = (each / each.sum() for each in (reference, recent))
    order = np.argsort(-np.abs(now - before), kind="stable")[:CHANGED_CLASSES]
    return [{"class": classes[place], "reference": float(before[place]), "recent": float(now[place])} for place in order]


def _quantiles(values: NDArray[np.float64]) -> list[float]:
    return [float(value) for value in np.quantile(values, [0.1, 0.5, 0.9])]


def _words(test: dict[str, Any]) -> str:
    what = f"{test['name'].capitalize()} has drifted: PSI {test['effect']:.2f} above chance, p {p_value(test['p_adjusted'])}"
    if "quantiles" in test:
        before, now = test["quantiles"]["reference"][1], test["quantiles"]["recent"][1]
        return f"{what}, median {now:.3g} instead of {before:.3g}."
    first = test["changed"][0]
    return f"{what}, most of all {first['class']}: {first['recent']:.1%} instead of {first['reference']:.1%}."
