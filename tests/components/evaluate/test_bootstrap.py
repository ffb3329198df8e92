"""Intervals: they cover the truth as often as they say, they are SciPy's, and they follow from the seed alone."""

from collections.abc import Iterator

import numpy as np
import pytest
from scipy import stats

from components.evaluate import bootstrap
from components.evaluate.bootstrap import interval, resampled, resamples_of, wilson
from components.evaluate.metrics import Figures, summary
from components.evaluate.paired import align, differences
from tests.components.evaluate.conftest import CARS, made_predictions, only

TRIALS, PHOTOS = 300, 120
POPULATION = made_predictions(0, photos=40_000, classes=[f"class {i}" for i in range(9)])
# so that the second is better in the class and worse in the box, by little, and mostly right where the first is
RIVAL = made_predictions(0, photos=40_000, classes=POPULATION.classes, skill=0.7)
RIVAL.iou[:] = np.clip(POPULATION.iou + np.random.default_rng(1).normal(-0.02, 0.1, len(POPULATION)), 0, 1)


def covers(low: float, high: float, truth: float) -> bool:
    return low <= truth <= high


def plausible(covered: list[bool]) -> bool:
    """Whether so many of the trials, at 95% each, are no surprise (one in ten thousand)."""
    return stats.binomtest(sum(covered), len(covered), 0.95).pvalue > 1e-4


@pytest.fixture(scope="module", autouse=True)
def fewer_resamples() -> Iterator[None]:
    """200 resamples where 1,000 would take minutes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bootstrap, "MOST_RESAMPLES", 200)
        yield


Samples = list[tuple[dict[str, float], dict[str, list[float]]]]


@pytest.fixture(scope="module")
def samples() -> Samples:
    """The figures and the intervals of 300 samples of 120 of the 40,000 photos."""
    drawn = (np.random.default_rng((1, trial)).integers(len(POPULATION), size=PHOTOS) for trial in range(TRIALS))
    found = [summary(only(POPULATION, rows)) for rows in drawn]
    return [(each, each["intervals"]) for each in found]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["top1", "top5", "macro_f1", "weighted_f1", "mean_iou", "median_iou", "iou_50", "iou_75", "iou_90", "ece"]
)
def test_intervals_cover_the_truth_at_their_rate(name: str, samples: Samples) -> None:
    truth = Figures(POPULATION)(np.ones(len(POPULATION)))[name]
    covered = [covers(*intervals[name], truth) for _, intervals in samples]
    assert plausible(covered), np.mean(covered)


@pytest.mark.slow
def test_intervals_of_differences_cover_the_truth_at_their_rate() -> None:
    everyone = np.ones(len(POPULATION))
    before, after = Figures(POPULATION)(everyone), Figures(RIVAL)(everyone)
    covered: dict[str, list[bool]] = {"top1": [], "mean_iou": [], "macro_f1": []}
    at_least: list[bool] = []
    for trial in range(TRIALS):
        rows = np.random.default_rng((2, trial)).choice(len(POPULATION), size=PHOTOS, replace=False)
        found = differences(*align(only(POPULATION, rows), only(RIVAL, rows)))
        for name, each in covered.items():
            each.append(covers(found[name].low, found[name].high, after[name] - before[name]))
        at_least.append(found["top1"].at_least <= after["top1"] - before["top1"])
    for name, each in covered.items():
        assert plausible(each), (name, np.mean(each))
    assert plausible(at_least), np.mean(at_least)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ap", "ap_50", "ap_75"])
def test_intervals_of_average_precision_cover_what_such_test_sets_give(name: str, samples: Samples) -> None:
    on_the_whole = np.mean([found[name] for found, _ in samples])
    covered = [covers(*intervals[name], on_the_whole) for _, intervals in samples]
    assert plausible(covered), np.mean(covered)


def test_intervals_are_near_scipys_bootstrap() -> None:
    predictions = made_predictions(5, photos=200)
    found = summary(predictions)
    theirs = stats.bootstrap(
        (predictions.iou.astype(float),), np.mean, n_resamples=1000, method="percentile", rng=np.random.default_rng(0)
    )
    width = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert found["intervals"]["mean_iou"] == pytest.approx(list(theirs.confidence_interval), abs=0.15 * width)
    wilsons = stats.binomtest(int(predictions.right.sum()), 200).proportion_ci(method="wilson")
    assert found["intervals"]["top1"] == pytest.approx(list(wilsons), abs=1e-6)


def test_a_share_of_all_photos_is_not_certain() -> None:
    low, high = wilson([1.0, 0.0], [10, 10])
    assert low[0] == pytest.approx(0.7225, abs=1e-4)
    assert high[1] == pytest.approx(0.2775, abs=1e-4)
    assert (high[0], low[1]) == pytest.approx((1, 0))


def test_the_same_seed_gives_the_same_intervals() -> None:
    figures = Figures(made_predictions(6))
    first, again, other = (resampled(figures, 60, 50, seed) for seed in (1, 1, 2))
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
    assert (first["mean_iou"] != other["mean_iou"]).any()


def test_bias_is_taken_out() -> None:
    assert interval(0.5, np.full(9, 0.7)) == pytest.approx([0.3, 0.3])


def test_more_photos_need_fewer_resamples() -> None:
    assert [resamples_of(photos) for photos in (1, 500_000, 600_000, 10**8)] == [200, 200, 166, 100]


def test_a_single_photo_has_figures_and_intervals() -> None:
    found = summary(made_predictions(7, photos=1, classes=CARS[:2]))
    assert all(0 <= low <= high <= 1 for low, high in found["intervals"].values())
