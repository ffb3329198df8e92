"""Embedding losses against plain loops, by finite differences, and where a photo has no partner."""

import math
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import logsumexp
from sklearn.preprocessing import normalize

from components.train.config import TrainConfig
from components.train.losses import embedding_loss
from components.train.losses.embeddings import Contrastive, Proxy

CLASSES = [0, 1, 0, 2, 1, 0]  # the only photo of 2 has no partner
LABELS = np.eye(3)[CLASSES]
EMBEDDINGS = normalize(np.random.default_rng(0).normal(size=(6, 4)))


def contrastive_as_published(embeddings: np.ndarray) -> list[float]:
    """Equation 2 of arXiv:2004.11362, photo by photo."""
    losses = []
    for i, anchor in enumerate(embeddings):
        partners = [p for p, label in enumerate(CLASSES) if label == CLASSES[i] and p != i]
        others = sum(math.exp(float(anchor @ embeddings[a]) / 0.1) for a in range(len(embeddings)) if a != i)
        each = [-math.log(math.exp(float(anchor @ embeddings[p]) / 0.1) / others) for p in partners]
        losses.append(sum(each) / len(each) if each else 0.0)
    return losses


def test_contrastive_is_the_published_one() -> None:
    losses = Contrastive(dtype="float64")(LABELS, EMBEDDINGS)
    np.testing.assert_allclose(losses, contrastive_as_published(EMBEDDINGS))
    assert losses[3] == 0


def test_proxy_is_the_softmax_of_cosines() -> None:
    layer = Proxy(3, 4, dtype="float64")
    scores = EMBEDDINGS @ normalize(layer.get_weights()[0]).T / 0.05
    np.testing.assert_allclose(layer(LABELS, EMBEDDINGS), logsumexp(scores, axis=1) - scores[np.arange(6), CLASSES], atol=1e-12)


@pytest.mark.parametrize("layer", [Contrastive(dtype="float64"), Proxy(3, 4, dtype="float64")], ids=["contrastive", "proxy"])
def test_slopes_are_those_of_finite_differences(layer: keras.layers.Layer, slopes: Any) -> None:
    def of(embeddings: Any) -> Any:
        return layer(LABELS, embeddings)

    np.testing.assert_allclose(slopes.automatic(of, EMBEDDINGS), slopes.finite(of, EMBEDDINGS), rtol=1e-6, atol=1e-7)


def test_the_proxies_slopes_are_those_of_finite_differences(slopes: Any) -> None:
    layer = Proxy(3, 4, dtype="float64")
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(LABELS, EMBEDDINGS))

    def of(proxies: np.ndarray) -> Any:
        layer.set_weights([proxies])
        return layer(LABELS, EMBEDDINGS)

    expected = slopes.finite(of, layer.get_weights()[0])
    np.testing.assert_allclose(tape.gradient(total, layer.proxies.value), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("kind", ["contrastive", "proxy"])
@pytest.mark.parametrize("labels", [LABELS[:1], LABELS[[0, 0, 0, 0]], LABELS[[0, 1, 3]]], ids=["one", "all_alike", "none_alike"])
def test_odd_batches_give_numbers(kind: str, labels: np.ndarray, slopes: Any) -> None:
    """Photos without a partner, and embeddings that coincide."""
    layer = embedding_loss(TrainConfig(metric_loss=kind, embedding=4), classes=3)
    embeddings = np.tile(EMBEDDINGS[:1], (len(labels), 1)).astype(np.float32)
    assert np.all(np.isfinite(layer(labels, embeddings)))
    assert np.all(np.isfinite(slopes.automatic(lambda x: layer(labels, x), embeddings)))
    if kind == "contrastive" and len(labels) != 4:
        np.testing.assert_array_equal(layer(labels, embeddings), np.zeros(len(labels)))


@pytest.mark.parametrize("kind", ["contrastive", "proxy"])
def test_a_mixed_photo_counts_as_what_it_shows_most_of(kind: str) -> None:
    layer = embedding_loss(TrainConfig(metric_loss=kind, embedding=4), classes=3)
    np.testing.assert_array_equal(layer(0.6 * LABELS + 0.4 * LABELS[::-1], EMBEDDINGS), layer(LABELS, EMBEDDINGS))


@pytest.mark.parametrize("kind", ["contrastive", "proxy"])
def test_half_precision_is_computed_in_single(kind: str) -> None:
    layer = embedding_loss(TrainConfig(metric_loss=kind, embedding=4), classes=3)
    halves = EMBEDDINGS.astype(np.float16)
    losses = layer(LABELS.astype(np.float32), halves)
    assert losses.dtype == tf.float32
    np.testing.assert_array_equal(losses, layer(LABELS, halves.astype(np.float32)))
