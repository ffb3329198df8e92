"""Two samples compared: how far apart they are, and how often chance alone would do that.

How far: the population stability index, PSI = sum (q - p) ln(q / p) over bins, whose usual reading is below 0.1 nothing, from 0.25
on a shift (Siddiqi, Credit Risk Scorecards, 2006). Chance alone gives up to (bins - 1)(1/n + 1/m) (Yurdakul, Naranjo, 2020): for
196 classes and 200 requests about 0.5 without any drift. So what chance gives on average is taken off; the rest is the `effect`.

How often: the chi-squared test of homogeneity with its p-value by simulation (Hope, 1968), which holds however few photos a class
has, or the two-sample Kolmogorov-Smirnov test.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

DRAWS = 2000
BINS = 10
PRIOR = 0.5  # in each bin, so that an empty one has a logarithm (Jeffreys)


@dataclass(frozen=True)
class Comparison:
    """`test` is the test's name; `p` its p-value; `psi` as measured, `effect` less what chance gives; all 0 or more."""

    test: str
    statistic: float
    p: float
    psi: float
    effect: float


def compare_counts(reference: NDArray[np.int64], recent: NDArray[np.int64], seed: int = 0) -> Comparison:
    """Counts of the same classes in two samples, int `(classes,)` each, neither of them empty."""
    together = reference + recent
    used = together > 0
    reference, recent, together = reference[used], recent[used], together[used]
    drawn = _drawn(together, int(recent.sum()), seed)
    statistic = float(_chi_squared(recent, together))
    p = (1 + int(np.count_nonzero(_chi_squared(drawn, together) >= statistic * (1 - 1e-9)))) / (DRAWS + 1)
    psi = float(_psi(reference, recent))
    return Comparison("chi-squared", statistic, p, psi, max(0.0, psi - float(_psi(together - drawn, drawn).mean())))


def compare_numbers(reference: NDArray[np.float64], recent: NDArray[np.float64], seed: int = 0) -> Comparison:
    """Two samples of a number, neither of them empty; PSI is over the tenths of the reference."""
    edges = np.unique(np.quantile(reference, np.linspace(0, 1, BINS + 1)[1:-1]))
    binned, other = (np.bincount(np.searchsorted(edges, each), minlength=len(edges) + 1) for each in (reference, recent))
    drawn = _drawn(binned + other, len(recent), seed)
    psi = float(_psi(binned, other))
    found = stats.ks_2samp(reference, recent, method="asymp")
    effect = max(0.0, psi - float(_psi(binned + other - drawn, drawn).mean()))
    return Comparison("Kolmogorov-Smirnov", float(found.statistic), float(found.pvalue), psi, effect)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values: with these below alpha, the chance of any false alarm among all tests is below alpha (Holm, 1979)."""
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(np.argsort(p_values)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def _drawn(together: NDArray[np.int64], recent: int, seed: int) -> NDArray[np.int64]:
    """Counts of the recent sample, if chance alone had split all photos in two: int64 `(DRAWS, bins)`."""
    return np.random.default_rng(seed).multivariate_hypergeometric(together, recent, DRAWS, method="marginals")


def _chi_squared(recent: NDArray[np.int64], together: NDArray[np.int64]) -> NDArray[np.float64]:
    """Pearson's statistic of a 2 x bins table, whose margins are `together` and the sizes of the samples; over the last axis."""
    size, total = recent.sum(axis=-1, keepdims=True), together.sum()
    expected = together * (size / total)
    return ((recent - expected) ** 2 / (expected * (1 - size / total))).sum(axis=-1)


def _psi(reference: NDArray[np.int64], recent: NDArray[np.int64]) -> NDArray[np.float64]:
    p, q = ((each + PRIOR) / (each + PRIOR).sum(axis=-1, keepdims=True) for each in (reference, recent))
    return ((q - p) * np.log(q / p)).sum(axis=-1)
