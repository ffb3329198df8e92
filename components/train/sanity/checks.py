"""Checks of a network that has not been trained yet."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from components.train.config import TrainConfig
from components.train.reader import Batch
from components.train.trainee import Trainee

TOLERANCE = 0.05
L2 = 1e2
HEADS = ("logits", "box_center_size")


@dataclass(frozen=True)
class Check:
    """One check, in words.

    Attributes:
        name: what is checked.
        expected: what it should come to.
        found: what it came to.
        passed: whether the two agree.
        hint: what to look at where they do not.
    """

    name: str
    expected: str
    found: str
    passed: bool
    hint: str


def initial_loss(trainee: Trainee, config: TrainConfig, batches: Sequence[Batch], *, training: bool) -> Check:
    """The class loss is that of answering 1/C for each of C classes: ln C, with the focal loss alpha (1 - 1/C)^gamma ln C.

    Args:
        trainee: a network that has not been trained.
        config: its settings.
        batches: real ones.
        training: whether the layers behave as in training; BatchNorm's statistics then move.
    """
    trainee.reset_metrics()
    answer = tf.function(lambda photos: trainee(photos, training=training))
    for photos, truth in batches:
        trainee.compute_loss(y=truth, y_pred=answer(photos))
    found = float(trainee.get_metrics_result()["label_loss"])
    chance = 1 / batches[0][1]["logits"].shape[-1]
    expected, formula = -math.log(chance), "ln C"
    if config.class_loss == "focal":
        expected, formula = expected * config.focal_alpha * (1 - chance) ** config.focal_gamma, "alpha (1 - 1/C)^gamma ln C"
    return Check(
        name=f"First class loss, {'as in training' if training else 'as in serving'}",
        expected=f"{formula} = {expected:.4f} ± {TOLERANCE:.0%}",
        found=f"{found:.4f}",
        passed=abs(found - expected) <= TOLERANCE * expected,
        hint="An untrained network should know nothing: look at the loss's sign and scale, at the class head's first weights, "
        "at what preprocessing the backbone expects, and whether the labels are one-hot.",
    )


def l2_raises_the_loss(plain: Trainee, penalised: Trainee, batch: Batch) -> Check:
    """The loss is larger with a penalty of 1e2 on the same weights.

    Args:
        plain: without the penalty.
        penalised: with `l2` = 1e2, else equal, to its weights.
        batch: a real one.
    """
    photos, truth = batch
    before, after = (float(each.compute_loss(y=truth, y_pred=tf.function(each)(photos))) for each in (plain, penalised))
    return Check(
        name=f"L2 of {L2:g} raises the loss",
        expected=f"more than {before:.6g}",
        found=f"{after:.6g}",
        passed=after > before,
        hint="The penalty does not reach the loss: look at the class head's regularizer and at the sum of the losses.",
    )


def gradients_reach_every_layer(trainee: Trainee, batch: Batch) -> Check:
    """One step back from the loss gives every trainable weight a gradient, finite and not all zeros; both heads have such weights.

    Not so with dead units, kernels of zeros, or an output that no loss looks at.
    """
    photos, truth = batch
    weights = trainee.trainable_variables

    @tf.function
    def gradients_of_the_loss() -> list[tf.Tensor | None]:
        with tf.GradientTape() as tape:
            loss = trainee.compute_loss(y=truth, y_pred=trainee(photos, training=True))
        return tape.gradient(loss, [weight.value for weight in weights])

    gradients = gradients_of_the_loss()
    faults = [f"{head} is frozen" for head in HEADS if not trainee.network.get_layer(head).trainable_variables]
    for weight, gradient in zip(weights, gradients, strict=True):
        values = np.zeros(1) if gradient is None else tf.convert_to_tensor(gradient).numpy()
        if not np.isfinite(values).all():
            faults.append(f"not finite in {weight.path}")
        elif not values.any():
            faults.append(f"none in {weight.path}")
    more = f", and {len(faults) - 3} more" if len(faults) > 3 else ""
    return Check(
        name="Gradients reach every layer",
        expected=f"all {len(weights)} trainable weights, {' and '.join(HEADS)} among them",
        found="; ".join(faults[:3]) + more if faults else "all",
        passed=not faults,
        hint="Those weights would stay as they are: look at what is frozen, at kernels of zeros and dead units on the way down "
        "to them, and whether a loss looks at their output.",
    )
