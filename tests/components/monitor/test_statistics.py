"""The statistics against known values, and the verdict's error rates by simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from components.monitor.measures import Measures
from components.monitor.statistics import compare_counts, compare_numbers, holm
from components.monitor.verdict import Demands, judge

CLASSES = 20


def test_psi_is_the_textbooks() -> None:
    reference, recent = np.array([4000, 3000, 3000]), np.array([3000, 3000, 4000])
    expected = 2 * 0.1 * np.log(4 / 3)  # (.3 - .4) ln(.3 / .4) + (.4 - .3) ln(.4 / .3)
    found = compare_counts(reference, recent)
    assert found.psi == pytest.approx(expected, rel=1e-3)
    assert found.effect == pytest.approx(expected, abs=1e-3)  # of so many photos, chance gives nothing


def test_chi_squared_is_scipys() -> None:
    reference, recent = np.array([40, 30, 20, 10]), np.array([25, 30, 30, 15])
    found, expected = compare_counts(reference, recent), stats.chi2_contingency([reference, recent])
    assert found.statistic == pytest.approx(expected.statistic)
    assert found.p == pytest.approx(expected.pvalue, abs=0.03)


def test_kolmogorov_smirnov_is_scipys() -> None:
    rng = np.random.default_rng(0)
    reference, recent = rng.normal(size=300), rng.normal(0.3, size=200)
    expected = stats.ks_2samp(reference, recent)
    found = compare_numbers(reference, recent)
    assert found.statistic == pytest.approx(expected.statistic)
    assert found.p == pytest.approx(expected.pvalue, rel=0.2)


def test_what_chance_gives_is_taken_off() -> None:
    """Of 196 classes and 200 requests PSI is far above 0.25 without any drift."""
    rng = np.random.default_rng(0)
    found = [compare_counts(*(np.bincount(rng.integers(0, 196, n), minlength=196) for n in (1600, 200)), seed) for seed in range(5)]
    assert min(each.psi for each in found) > 0.4
    assert max(each.effect for each in found) < 0.15
    assert np.median([each.p for each in found]) > 0.1


def test_holm_is_the_textbooks() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_adjusted_p_values_are_larger_and_in_the_same_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(before <= after <= 1 for before, after in zip(p_values, adjusted, strict=True))
    assert np.all(np.diff(np.array(adjusted)[np.argsort(p_values, kind="stable")]) >= 0)


@pytest.mark.parametrize("values", [[0.5] * 50, [0.0, 1.0] * 25])
def test_a_number_with_few_values_is_no_drift_from_itself(values: list[float]) -> None:
    found = compare_numbers(np.array(values), np.array(values))
    assert (found.effect, found.p) == (pytest.approx(0, abs=1e-3), pytest.approx(1))


def sample(rng: np.random.Generator, photos: int, change: str = "") -> Measures:
    """Photos of classes of unequal shares; brightness and sharpness as photos have them."""
    shares = 1 / np.arange(1, CLASSES + 1) ** 0.7
    if change == "half of the classes":
        shares[::2] = 0
    darker, blurred, smaller = (change == each for each in ("40% darker", "blurred", "boxes 30% smaller"))
    return Measures(
        labels=rng.choice(CLASSES, photos, p=shares / shares.sum()),
        confidence=rng.beta(5, 1.5, photos),
        box_size=rng.beta(6, 5, photos) * (0.7 if smaller else 1),
        brightness=rng.normal(115, 28, photos).clip(5, 250) * (0.6 if darker else 1),
        sharpness=rng.lognormal(6.8, 0.6, photos) * (0.36 if darker else 0.15 if blurred else 1),
    )


def alarms(change: str, repeats: int) -> float:
    rng = np.random.default_rng(0)
    names = list(map(str, range(CLASSES)))
    found = [judge(sample(rng, 400), sample(rng, 200, change), names, Demands()) for _ in range(repeats)]
    return float(np.mean([each["drift"] for each in found]))


@pytest.mark.slow
def test_false_alarms_are_rare() -> None:
    assert alarms("", 100) <= 0.01


@pytest.mark.parametrize("change", ["half of the classes", "40% darker", "blurred", "boxes 30% smaller"])
@pytest.mark.slow
def test_what_matters_is_found(change: str) -> None:
    assert alarms(change, 20) == 1
