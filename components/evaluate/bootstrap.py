"""How sure a figure is: bootstrap intervals (Efron & Tibshirani, "An introduction to the bootstrap", 1993).

A resample is how often each photo counts, so what is computed once for the photos (orders, bins) serves all resamples. Resample i
follows from the seed and i alone; they run on all cores.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

LEVEL = 0.95
MOST_RESAMPLES = 1000
LEAST_RESAMPLES = 100
PHOTOS_DRAWN = 100_000_000
MOST_THREADS = 4  # each holds some hundred bytes a photo
Floats = NDArray[np.float64]
Statistic = Callable[[Floats], dict[str, float]]


def resamples_of(photos: int) -> int:
    """1,000 resamples of up to 100,000 photos, fewer of more (their intervals are narrow), at least 100."""
    return int(np.clip(PHOTOS_DRAWN // photos, LEAST_RESAMPLES, MOST_RESAMPLES))


def resampled(statistic: Statistic, photos: int, resamples: int, seed: int = 0) -> dict[str, Floats]:
    """Each figure of `statistic` in every resample, `(resamples,)`.

    Args:
        statistic: how often each photo counts, float64 `(photos,)` -> figures by name.
        photos: how many there are.
        resamples: how many draws of `photos` photos, with replacement.
        seed: of the draws.
    """

    def one(number: int) -> dict[str, float]:
        drawn = np.random.default_rng((seed, number)).integers(photos, size=photos, dtype=np.int32)
        return statistic(np.bincount(drawn, minlength=photos).astype(np.float64))

    with ThreadPoolExecutor(min(len(os.sched_getaffinity(0)), MOST_THREADS)) as pool:
        figures = list(pool.map(one, range(resamples)))
    return {name: np.array([each[name] for each in figures]) for name in figures[0]}


def interval(found: float, values: Floats, of_this_size: bool = False) -> list[float]:
    """The 95% interval [low, high] of a figure `found`, from its resamples `values`.

    Resamples stray from the figure as the figure strays from the truth: where few photos make it larger on the whole (the
    calibration error) or smaller (macro F1), percentiles alone would be wrong by that twice. So they are moved by twice the
    resamples' mean error, as in the basic bootstrap (chapter 5 of Davison & Hinkley, "Bootstrap methods and their application",
    1997), but keep their own skew.

    Args:
        found: the figure of all photos.
        values: of the resamples.
        of_this_size: for a figure whose lean the resamples show only in part: an interval for what test sets of this size give on
            the whole, leaning as the figure does.
    """
    tail = (1 - LEVEL) / 2
    centred = values - values.mean() + found if of_this_size else unbiased(found, values)
    return [float(edge) for edge in np.quantile(centred, [tail, 1 - tail])]


def unbiased(found: float, values: Floats) -> Floats:
    """Resamples of a figure `found`, moved as `interval` says."""
    return values - 2 * (values.mean() - found)


def wilson(share: ArrayLike, photos: ArrayLike) -> tuple[Floats, Floats]:
    """The low and high ends of the 95% intervals of shares of `photos` (Wilson, 1927), shapes as given.

    The resamples of a share are binomial, and of a share of 0 or 1 they all are 0 or 1, however few the photos; this is not.
    """
    share, photos = np.asarray(share, np.float64), np.asarray(photos, np.float64)
    z = stats.norm.ppf((1 + LEVEL) / 2)
    scale = 1 / (1 + z**2 / photos)
    centre, half = share + z**2 / (2 * photos), z * np.sqrt(share * (1 - share) / photos + z**2 / (4 * photos**2))
    return np.clip(scale * (centre - half), 0, 1), np.clip(scale * (centre + half), 0, 1)


def share_difference(gained: ArrayLike, lost: ArrayLike, photos: ArrayLike, confidence: float) -> tuple[Floats, Floats]:
    """The low and high ends of the difference of two shares of the same `photos`, of which the second has `gained` and `lost` some;
    each end is passed with a probability of 1 - `confidence`. Shapes as given.

    Bonett & Price, "Adjusted Wald confidence interval for a difference of binomial proportions based on paired data", 2012. The
    resamples of photos on which two models never differ all are 0, however few the photos; this is not.
    """
    photos = np.asarray(photos, np.float64) + 2
    more, less = (np.asarray(count, np.float64) + 1 for count in (gained, lost))
    difference = (more - less) / photos
    reach = stats.norm.ppf(confidence) * np.sqrt(np.maximum((more + less) / photos - difference**2, 0) / photos)
    return np.clip(difference - reach, -1, 1), np.clip(difference + reach, -1, 1)
