"""Two classes learned by heart: the sound network does it, one that is broken, or is fed by a broken reader, does not."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from components.common.errors import UserError
from components.common.records import Records
from components.train.reader import Batch, Reader
from components.train.sanity.overfit import overfit, settings, two_classes
from components.train.trainee import Trainee
from tests.components.train.sanity.conftest import CONFIG, Make

STEPS = 300


def learned(opened: Records, trainee: Trainee, broken: Callable[..., Batch] | None = None) -> tuple[bool, bool]:
    """Whether the classes, and whether the boxes of the subset are learned, from batches through `broken`."""
    subset = two_classes(opened, np.array(opened.counts["train"]))
    photos = sum(subset.counts["train"])
    config = settings(CONFIG, photos)
    with Reader(subset, config) as reader:
        batches = reader.training()
        (classes, boxes), _ = overfit(trainee, batches.map(broken) if broken else batches, photos // config.batch, STEPS)
    return classes.passed, boxes.passed


def test_the_subset_is_the_two_largest_classes_each_photo_once_an_epoch(opened: Records) -> None:
    counts = np.array([5, 0, 8, 7])
    taken = two_classes(opened, counts).counts["train"]
    assert taken == [0, 0, 7, 7]
    assert two_classes(opened, np.array([50, 60, 70])).counts["train"] == [0, 36, 36]

    available = opened.counts["train"]
    subset = two_classes(opened, np.array(available))
    expected = sum(subset.counts["train"])
    assert expected == 2 * sorted(available)[-2]
    config = settings(dataclasses.replace(CONFIG, batch=5, photos_per_class=5, mixup=0.2, augment="graph", randaugment=2), expected)
    assert expected % config.batch == 0
    with Reader(subset, config) as reader:
        steps = expected // config.batch
        seen = [(photo.tobytes(), int(label.argmax())) for photos, truth in reader.training().take(2 * steps).as_numpy_iterator()
                for photo, label in zip(photos, truth["logits"], strict=True)]  # fmt: skip
    assert len(set(seen[:expected])) == expected
    assert set(seen[expected:]) == set(seen[:expected])
    assert {label for _, label in seen} == set(np.flatnonzero(subset.counts["train"]))


def test_one_class_is_refused(opened: Records) -> None:
    with pytest.raises(UserError, match="expected train photos of two classes at least, found 1"):
        two_classes(opened, np.array([0, 9, 0]))


@pytest.mark.slow
def test_a_sound_network_learns_them_by_heart(opened: Records, make: Make) -> None:
    assert learned(opened, make()) == (True, True)


@pytest.mark.slow
def test_dropout_is_off(opened: Records, make: Make) -> None:
    trainee = make(dropout=0.9)
    assert learned(opened, trainee) == (True, True)


@pytest.mark.slow
def test_a_network_with_batchnorm_learns_them_by_heart(opened: Records, make: Make) -> None:
    assert learned(opened, make(backbone="MobileNetV2-0.35")) == (True, True)


@pytest.mark.slow
def test_labels_that_come_with_other_photos_each_time_are_caught(opened: Records, make: Make) -> None:
    def shuffled(photos: tf.Tensor, truth: dict[str, tf.Tensor]) -> Batch:
        return photos, {**truth, "logits": tf.random.shuffle(truth["logits"], seed=1)}

    assert learned(opened, make(), shuffled) == (False, True)


@pytest.mark.slow
def test_boxes_that_come_with_other_photos_each_time_are_caught(opened: Records, make: Make) -> None:
    def shuffled(photos: tf.Tensor, truth: dict[str, tf.Tensor]) -> Batch:
        return photos, {**truth, "box": tf.random.shuffle(truth["box"], seed=1)}

    assert learned(opened, make(), shuffled) == (True, False)


@pytest.mark.slow
def test_a_loss_of_the_wrong_sign_is_caught(opened: Records, make: Make) -> None:
    class Flipped(Trainee):
        def compute_loss(self, *arguments: object, **named: object) -> tf.Tensor:
            return -super().compute_loss(*arguments, **named)

    assert learned(opened, make(Flipped)) == (False, False)


@pytest.mark.slow
def test_a_frozen_network_is_caught(opened: Records, make: Make) -> None:
    trainee = make()
    for layer in trainee.network.layers:
        layer.trainable = layer.name == "box_norm"
    assert learned(opened, trainee) == (False, False)


@pytest.mark.slow
def test_a_loss_that_is_no_number_ends_it(opened: Records, make: Make) -> None:
    trainee = make()
    trainee.network.get_layer("logits").bias.assign([0.0, np.nan, 0.0])
    assert learned(opened, trainee) == (False, False)
