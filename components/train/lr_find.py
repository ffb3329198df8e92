"""The learning-rate range test (Smith, 2015, arXiv:1506.01186): `python -m components.train lr-find`.

The rate rises by the same factor from step to step, from one at which nothing moves to one at which training falls apart. The loss,
smoothed, first stays, then falls, then explodes. Suggested is the rate at which it falls fastest (as fast.ai's `lr_find` does), and
not that of the lowest loss: there the next larger rates already do harm, and the loss is low for what smaller rates did before.
"""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from components.common.errors import UserError
from components.common.figures import LIGHT, blank, dress, legend, png
from components.common.progress import track
from components.common.whole import whole_file
from components.train.config import TrainConfig
from components.train.models import build
from components.train.optimizer import optimizer
from components.train.prepare import prepared
from components.train.reader import Reader
from components.train.trainee import Trainee
from components.train.unfreezing import set_trainable

RATES = np.geomspace(1e-6, 1, 100)
SMOOTHING = 0.9
DIVERGED = 4.0
SETTLED, WINDOW = 10, 10
SEEN = 1.5
"""Standard deviations of a batch by which the smoothed loss must fall: of 3000 losses that were noise alone, .7% did."""


@dataclass(frozen=True)
class Curve:
    """The test's outcome, a value a step, `(steps,)`: the learning rate, the loss of its photos before it, and that smoothed, by an
    exponential moving average whose start is corrected as Adam's (arXiv:1412.6980, section 3)."""

    rates: NDArray[np.float64]
    losses: NDArray[np.float64]
    smoothed: NDArray[np.float64]

    def suggestion(self) -> float | None:
        """The rate in the middle of the ten steps (a factor of four) over which the smoothed loss falls most, on the way to its
        minimum; None where its fall does not stand out from the batches' differences."""
        # the average of the first few steps is one of few, and nothing is learned in them
        end = SETTLED + int(np.argmin(self.smoothed[SETTLED:])) + 1
        way = self.smoothed[SETTLED:end]
        if not way[0] - way[-1] > SEEN * np.std(self.losses[:end] - self.smoothed[:end]):
            return None
        width = min(WINDOW, len(way) - 1)
        return float(self.rates[SETTLED + int(np.argmax(way[:-width] - way[width:])) + width // 2])


def run(records: Sequence[Path], output: Path, config: TrainConfig) -> float:
    """Tests the rates on training batches; writes `output/lr-find.csv` and `output/lr-find.png`, whatever comes of it.

    Args:
        records: the folders that shard's tasks wrote.
        output: the folder to write into.
        config: the run's settings; its optimizer is used, with all layers that it trains at the run's end.

    Returns:
        The suggested `learning_rate`.

    Raises:
        UserError: the loss never falls; or records missing or empty, weights that are not there or do not fit.
    """
    with prepared(records, config) as (opened, ready), Reader(opened, ready) as reader:
        keras.utils.set_random_seed(ready.seed)
        network = build(ready, len(opened.classes), mean_box=opened.mean_train_box)
        curve = ramp(network, ready, reader)
    output.mkdir(parents=True, exist_ok=True)
    with whole_file(output / "lr-find.csv") as path, path.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["learning_rate", "loss", "smoothed"])
        writer.writerows(zip(curve.rates, curve.losses, curve.smoothed, strict=True))
    suggested = curve.suggestion()
    with whole_file(output / "lr-find.png") as path:
        path.write_bytes(png(picture(curve, suggested)))
    if suggested is None:
        raise UserError(
            f"lr-find: expected a loss that falls at some learning rate up to {curve.rates[-1]:.2g}, found one of "
            f"{curve.smoothed[SETTLED]:.4g} that falls no more than by chance; run sanity to see why"
        )
    return suggested


def ramp(network: keras.Model, config: TrainConfig, reader: Reader) -> Curve:
    """Trains `network` with rates from 1e-6 to 1 in 100 steps; ends sooner where the smoothed loss is four times its lowest.

    Raises:
        UserError: that comes within the first ten steps.
    """
    set_trainable(network, config, config.epochs)
    trainee, chosen = Trainee(network, config), optimizer(network, config)
    trainee.compile(chosen, jit_compile=config.xla)
    trainee.make_train_function()
    batches = iter(reader.training())
    average = 0.0
    losses: list[float] = []
    smoothed: list[float] = []
    for rate in track(RATES, "learning rates"):
        chosen.learning_rate = rate
        trainee.reset_metrics()
        for _ in range(config.accumulate):
            logs = trainee.train_function(batches)
        loss = float(logs["loss"])
        average = SMOOTHING * average + (1 - SMOOTHING) * loss
        corrected = average / (1 - SMOOTHING ** (len(losses) + 1))
        if not math.isfinite(loss) or corrected > DIVERGED * min([corrected, *smoothed]):
            break
        losses.append(loss)
        smoothed.append(corrected)
    if len(losses) <= SETTLED:
        raise UserError(f"lr-find: expected a loss that is finite at first, found {loss:.3g} at a rate of {rate:.1e}; run sanity")
    return Curve(RATES[: len(losses)], np.array(losses), np.array(smoothed))


def picture(curve: Curve, suggested: float | None) -> Figure:
    """The losses by learning rate, and the suggestion where there is one."""
    figure = blank(LIGHT, 8.0, 4.5)
    axes = figure.subplots()
    dress(axes, LIGHT)
    axes.semilogx(curve.rates, curve.losses, ".", color=LIGHT.quiet, label="batch")
    axes.semilogx(curve.rates, curve.smoothed, color=LIGHT.accent, linewidth=2, label="smoothed")
    if suggested is not None:
        axes.axvline(suggested, color=LIGHT.second, linestyle="--", label=f"steepest: {suggested:.1e}")
    # what came after the explosion would press all else flat
    low, high = curve.smoothed.min(), max(curve.smoothed[0], *curve.losses[:SETTLED])
    margin = 0.4 * (high - low) or 0.1
    axes.set_ylim(low - margin, high + margin)
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss")
    axes.set_title("no rate at which the loss falls" if suggested is None else "Learning-rate range test")
    legend(axes, LIGHT)
    return figure
