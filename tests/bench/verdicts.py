"""The ratios and limits that speed and memory are held to, each with its target."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Rounds = Sequence[Mapping[str, float]]


@dataclass(frozen=True)
class Target:
    """`figure / base`, or `figure` itself where there is no base, which should be at least or at most `bound`."""

    figure: str
    base: str
    bound: float
    at_most: bool = False

    def judge(self, values: Sequence[float], bases: Sequence[float]) -> dict[str, Any]:
        """The median over the rounds of the ratio within a round, the target in words, and whether it is met."""
        value = statistics.median(value / base for value, base in zip(values, bases, strict=True))
        met = value <= self.bound if self.at_most else value >= self.bound
        words = f"{'at most' if self.at_most else 'at least'} {self.bound:g}"
        return {
            "ratio": f"{self.figure} / {self.base}" if self.base else self.figure,
            "value": round(value, 4),
            "target": words,
            "met": met,
        }


SPEEDS = [
    Target("imgaug", "original_way", 5),
    Target("graph", "original_way", 12),
    Target("graph", "decode_resize_limit", 0.35),
    Target("balanced_reader", "decode_resize_limit", 0.85),
    Target("shard", "copy", 0.5),
    Target("ingest", "decode_limit", 0.7),
]
STEP_TIMES = [
    Target("train_shards", "train_constant", 1.1, at_most=True),
    Target("fed_one_core", "constant_one_core", 1.1, at_most=True),
]
MILLION = {"images_per_s": (1_000_000 / 120, False), "peak_mb": (1024, True)}  # two minutes, 1 GiB
GROWTH = {"seconds": 17, "peak_mb": 1.2}


def of_speeds(measured: Mapping[str, Rounds]) -> list[dict[str, Any]]:
    """The ratios of photos a second whose two figures were measured."""
    return [
        target.judge(_column(measured[target.figure], "images_per_s"), _column(measured[target.base], "images_per_s"))
        for target in SPEEDS
        if {target.figure, target.base} <= measured.keys()
    ]


def of_step_times(measured: Mapping[str, Rounds]) -> list[dict[str, Any]]:
    """The ratios of step times whose two figures were measured."""
    return [
        target.judge(_step_times(measured[target.figure]), _step_times(measured[target.base]))
        for target in STEP_TIMES
        if {target.figure, target.base} <= measured.keys()
    ]


def of_growth(step: str, smallest: Rounds, largest: Rounds) -> list[dict[str, Any]]:
    """How much more time and memory a step needs for the largest set than for the smallest."""
    return [
        Target(f"{step} 16x {name}", "1x", bound, at_most=True).judge(_column(largest, name), _column(smallest, name))
        for name, bound in GROWTH.items()
    ]


def of_million(measured: Mapping[str, Rounds]) -> list[dict[str, Any]]:
    """Speed and memory of the evaluation of a million predictions, where it was measured."""
    rounds = measured.get("evaluate_predictions", [])
    return [
        Target(f"evaluate_predictions {name}", "", bound, at_most).judge(_column(rounds, name), [1] * len(rounds))
        for name, (bound, at_most) in MILLION.items()
        if rounds
    ]


def _column(rounds: Rounds, name: str) -> list[float]:
    return [measured[name] for measured in rounds]


def _step_times(rounds: Rounds) -> list[float]:
    return [1 / measured["images_per_s"] for measured in rounds]
