"""What Keras trains: the total of the losses, fixed and learned weights of the heads, and metrics that count photos."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.common import boxes as box_math
from components.train.config import TrainConfig
from components.train.losses import box_loss, class_loss
from components.train.losses.embeddings import Contrastive
from components.train.trainee import Trainee

PHOTOS = np.random.default_rng(0).normal(size=(8, 6)).astype(np.float32)
LABELS = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 2, 0, 0]]
BOXES = np.sort(np.random.default_rng(1).random((8, 2, 2)).astype(np.float32), axis=1).reshape(8, 4)
L2 = 0.1
WEIGHTED = {"class_weight": 0.5, "box_weight": 3.0, "metric_weight": 0.25}


def configured(settings: dict[str, Any]) -> TrainConfig:
    return TrainConfig(embedding=5 if "metric_loss" in settings else 0, **settings)


def compiled(learning_rate: float = 0.0, **settings: Any) -> Trainee:
    """Linear heads on six numbers a photo."""
    keras.utils.set_random_seed(3)
    config = configured(settings)
    photo = keras.Input((6,))
    penalty = keras.regularizers.L2(L2)
    outputs = {
        "logits": keras.layers.Dense(3, kernel_regularizer=penalty, name="logits")(photo),
        "box": keras.layers.Dense(4, "sigmoid", name="box_center_size")(photo),
    }
    if config.metric_loss != "none":
        outputs["embedding"] = keras.layers.UnitNormalization(dtype="float32")(keras.layers.Dense(5)(photo))
    trainee = Trainee(keras.Model(photo, outputs), config)
    trainee.compile(keras.optimizers.SGD(learning_rate), jit_compile=False)
    return trainee


def batches(*sizes: int) -> tf.data.Dataset:
    ends = np.cumsum(sizes)
    rows = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
    data = [(PHOTOS[row], {"logits": LABELS[row], "box": BOXES[row]}) for row in rows]
    kinds = (tf.float32, {"logits": tf.float32, "box": tf.float32})
    shapes = ([None, 6], {"logits": [None, 3], "box": [None, 4]})
    dataset = tf.data.Dataset.from_generator(lambda: iter(data), kinds, shapes)
    return dataset.apply(tf.data.experimental.assert_cardinality(len(sizes)))


def answers(trainee: Trainee) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in trainee.network(PHOTOS).items()}


def means(trainee: Trainee, settings: dict[str, Any]) -> list[float]:
    """The mean loss of each head over all photos, each head's loss called by itself."""
    config, found = configured(settings), answers(trainee)
    losses = [class_loss(config).call(LABELS, found["logits"]), box_loss(config).call(BOXES, found["box"])]
    if config.metric_loss == "contrastive":
        losses.append(Contrastive()(LABELS, found["embedding"]))
    return [float(np.mean(each)) for each in losses]


def penalty(trainee: Trainee) -> float:
    return L2 * float(np.sum(trainee.network.get_layer("logits").kernel.numpy() ** 2))


@pytest.mark.parametrize("others", [{}, {"metric_loss": "contrastive"}, {"class_loss": "focal", "box_loss": "ciou"}])
@pytest.mark.slow
def test_the_total_is_the_weighted_sum_and_the_penalties(others: dict[str, Any]) -> None:
    settings = {**WEIGHTED, **others}
    trainee = compiled(**settings)
    result = trainee.evaluate(batches(8), verbose=0, return_dict=True)
    each = means(trainee, settings)
    expected = float(np.dot(each, [0.5, 3.0, 0.25][: len(each)])) + penalty(trainee)
    assert result["loss"] == pytest.approx(expected, rel=1e-5)
    assert [result[name] for name in ("label_loss", "box_loss", "embedding_loss")[: len(each)]] == pytest.approx(each, rel=1e-5)


def test_with_learned_weights_the_total_is_kendalls() -> None:
    settings: dict[str, Any] = {"head_weights": "learned", "metric_loss": "contrastive"}
    trainee = compiled(**settings)
    each, logs = np.array(means(trainee, settings)), np.array([0.3, -1.2, 2.0])
    (weights,) = [weight for weight in trainee.trainable_weights if weight.name == "log_variances"]
    for s in (np.zeros(3), logs):
        weights.assign(s)
        result = trainee.evaluate(batches(8), verbose=0, return_dict=True)
        expected = float(np.sum(np.exp(-s) * each + s)) / 2 + penalty(trainee)
        assert result["loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_learned_weights_move_to_where_they_are_best() -> None:
    settings: dict[str, Any] = {"head_weights": "learned", "metric_loss": "contrastive"}
    trainee = compiled(learning_rate=1.0, **settings)
    trainee.network.trainable = False
    trainee.compile(keras.optimizers.SGD(1.0), jit_compile=False)
    assert [weight.name for weight in trainee.trainable_weights] == ["log_variances"]
    trainee.fit(batches(8).repeat(), steps_per_epoch=60, shuffle=False, verbose=0)
    np.testing.assert_allclose(trainee.trainable_weights[0].numpy(), np.log(means(trainee, settings)), atol=1e-3)


@pytest.mark.slow
def test_metrics_are_means_over_photos_and_start_anew() -> None:
    trainee = compiled()
    found = answers(trainee)
    top1 = np.mean(np.argmax(found["logits"], axis=1) == np.argmax(LABELS, axis=1))
    expected = [*means(trainee, {}), top1, box_math.iou(found["box"], BOXES).mean()]
    assert 0 < top1 < 1
    for _ in range(2):
        trained = trainee.fit(batches(7, 1), validation_data=batches(1, 4, 3), shuffle=False, verbose=0).history
        for prefix in ("", "val_"):
            measured = [trained[prefix + name][0] for name in ("label_loss", "box_loss", "top1", "iou")]
            assert measured == pytest.approx(expected, rel=1e-5)
            assert trained[f"{prefix}loss"][0] == pytest.approx(sum(expected[:2]) + penalty(trainee), rel=1e-5)


@pytest.mark.slow
def test_every_weight_gets_a_slope_and_the_proxies_too() -> None:
    trainee = compiled(learning_rate=0.05, metric_loss="proxy", head_weights="learned")
    before = {weight.path: weight.numpy() for weight in trainee.trainable_weights}
    assert len(before) == 8
    trainee.fit(batches(8), shuffle=False, verbose=0)
    unmoved = [weight.path for weight in trainee.trainable_weights if np.array_equal(weight, before[weight.path])]
    assert not unmoved


def test_a_mixed_photo_is_right_where_its_larger_share_is() -> None:
    trainee = compiled()
    named = np.eye(3, dtype=np.float32)[np.argmax(answers(trainee)["logits"], axis=1)]
    data = tf.data.Dataset.from_tensors((PHOTOS, {"logits": 0.6 * named + 0.4 / 3, "box": BOXES}))
    assert trainee.evaluate(data, verbose=0, return_dict=True)["top1"] == 1


@pytest.mark.slow
def test_training_in_half_precision_gives_numbers_in_single() -> None:
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        trainee = compiled(learning_rate=0.1, metric_loss="proxy", head_weights="learned")
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert {weight.dtype for weight in trainee.trainable_weights} == {"float32"}
    answer = trainee(PHOTOS)
    assert answer["logits"].dtype == tf.float16
    loss = trainee.compute_loss(PHOTOS, {"logits": LABELS, "box": BOXES}, answer)
    assert loss.dtype == tf.float32
    history = trainee.fit(batches(8).repeat(), steps_per_epoch=5, epochs=4, shuffle=False, verbose=0).history["loss"]
    assert np.all(np.isfinite(history))
    assert history[-1] < history[0]
