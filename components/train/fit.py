"""The training loop: AdamW with warm-up and cosine, the best checkpoint by validation loss, a history as CSV."""

import math
from pathlib import Path

import keras
import numpy as np
from rich.console import Console

from components.common.errors import UserError
from components.common.records import Records
from components.train.config import TrainConfig
from components.train.history import History
from components.train.reader import Reader
from components.train.trainee import Trainee


def fit(model: keras.Model, records: Records, config: TrainConfig, output: Path) -> None:
    """Trains `model` and leaves it as it was at its epoch of lowest validation loss; writes `history.csv`, and
    `skipped.txt` where damaged records were skipped, into `output`.

    Raises:
        UserError: the loss became NaN or infinite.
    """
    steps = max(1, math.ceil(sum(records.counts["train"]) / config.batch))
    if config.batchnorm == "frozen":
        _freeze_batchnorm(model.get_layer("backbone"))
    trainee = Trainee(model, config)
    trainee.compile(
        keras.optimizers.AdamW(_schedule(config.learning_rate, steps * config.epochs), weight_decay=config.weight_decay),
        jit_compile=config.xla,
    )
    best = output / "best.weights.h5"
    with Reader(records, config) as reader:
        fitted = trainee.fit(
            reader.training(plain_from=round(steps * config.epochs * (1 - config.plain_tail))),
            steps_per_epoch=steps,
            epochs=config.epochs,
            validation_data=reader.validation("validation"),
            callbacks=[
                keras.callbacks.ModelCheckpoint(str(best), monitor="val_loss", save_best_only=True, save_weights_only=True),
                keras.callbacks.TerminateOnNaN(),
                History(output / "history.csv", config.epochs, steps * config.batch),
            ],
            shuffle=False,
            verbose=0,
        )
    if not np.isfinite(fitted.history["loss"][-1]):
        raise UserError(
            f"learning_rate: training diverged in epoch {len(fitted.epoch)} (the loss is no number any more) "
            f"at a peak of {config.learning_rate:g}; set a lower one"
        )
    trainee.load_weights(best)
    best.unlink()
    if reader.skipped:
        (output / "skipped.txt").write_text("".join(f"{line}\n" for line in sorted(reader.skipped)), "utf-8")
        Console().print(f"{len(reader.skipped)} damaged records were skipped, see skipped.txt", highlight=False)


def _schedule(peak: float, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    warm_up = steps // 10
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=peak / max(1, warm_up),
        decay_steps=max(1, steps - warm_up),
        alpha=0.01,
        warmup_target=peak,
        warmup_steps=warm_up,
    )


def _freeze_batchnorm(backbone: keras.Model) -> None:
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
