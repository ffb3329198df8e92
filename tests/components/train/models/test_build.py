"""The network that settings give: preprocessing, weights, precision, heads; what is refused."""

import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import ArrayLike

from components.common.errors import UserError
from components.train.backbones import MODULES, parse_name
from components.train.models import build
from components.train.models.heads import heads
from tests.components.train.models.conftest import settings

WEIGHTS = Path(__file__).resolve().parents[4] / ".." / "shared" / "weights" / "mobilenet_v2_0.35_224_no_top.weights.h5"


def photos(px: int = 32) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, px, px, 3)).astype(np.float32)


def assert_same(one: ArrayLike, other: ArrayLike) -> None:
    """Random weights may make features very small."""
    size = np.abs(other).max()
    assert size > 0
    np.testing.assert_allclose(one / size, other / size, atol=1e-3)


def features(network: keras.Model) -> keras.Model:
    """The network up to its feature map."""
    return keras.Model(network.input, network.get_layer("pool").input)


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("EfficientNetV2B0", "EfficientNetV2S", "ConvNeXtTiny")]


@pytest.mark.parametrize("backbone", ["MobileNetV2", "ResNet50", "EfficientNetB0", *SLOW])
@pytest.mark.slow
def test_preprocessing_is_part_of_the_network(backbone: str) -> None:
    network = build(settings(backbone), 2)
    reference = getattr(keras.applications, backbone)(include_top=False, weights=None, input_shape=(32, 32, 3))
    reference.set_weights(network.get_layer("backbone").get_weights())
    preprocess = getattr(keras.applications, MODULES[backbone]).preprocess_input
    assert_same(features(network)(photos()), reference(preprocess(photos())))


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_in_mixed_precision_the_answer_is_float32_all_the_same(precision: str, tmp_path: Path) -> None:
    network = build(settings("traditional", precision=precision, embedding=4, metric_loss="contrastive"), 2)
    assert keras.config.dtype_policy().name == "float32"
    network.save(tmp_path / "model.keras")
    for model in (network, keras.models.load_model(tmp_path / "model.keras", compile=False)):
        assert model.get_layer("backbone").output.dtype == precision.removeprefix("mixed_")
        answer = model(photos())
        assert {keras.backend.standardize_dtype(value.dtype) for value in answer.values()} == {"float32"}
        assert {weight.dtype for weight in model.trainable_weights} == {"float32"}


def test_only_the_box_head_sees_where_things_are() -> None:
    keras.utils.set_random_seed(0)
    feature_map = keras.Input((4, 4, 8))
    values = np.random.default_rng(0).normal(size=(1, 4, 4, 8)).astype(np.float32)
    for backbone in ("residual", "MobileNetV2-0.35"):
        ends = keras.Model(feature_map, heads(feature_map, 5, settings(backbone), (0.1, 0.2, 0.9, 0.8)))
        for weight in (ends.get_layer("logits").kernel, ends.get_layer("box_center_size").kernel):
            weight.assign(1e3 * weight)
        here, mirrored = ends(values), ends(values[:, :, ::-1])
        np.testing.assert_allclose(here["logits"], mirrored["logits"], atol=1e-5)
        assert np.abs(here["box"] - mirrored["box"]).max() > 0.01


def test_the_penalty_is_of_the_class_head() -> None:
    network = build(settings("hidden", l2=100.0), 3)
    kernel = network.get_layer("logits").get_weights()[0]
    assert float(sum(network.losses)) == pytest.approx(100 * np.sum(kernel**2))
    assert build(settings("hidden"), 3).losses == []


def test_the_untrained_box_is_the_mean_box() -> None:
    box = (0.1, 0.2, 0.7, 0.9)
    answer = build(settings("MobileNetV2-0.35"), 2, mean_box=box)(np.zeros((1, 32, 32, 3), np.float32))
    np.testing.assert_allclose(np.asarray(answer["box"])[0], box, atol=1e-3)


def test_batchnorm_momentum_reaches_every_layer() -> None:
    network = build(settings("MobileNetV2-0.35"), 2)
    layers = [*network.layers, *network.get_layer("backbone").layers]
    assert {layer.momentum for layer in layers if isinstance(layer, keras.layers.BatchNormalization)} == {0.9}


def test_names() -> None:
    assert parse_name("MobileNetV2-0.35") == ("MobileNetV2", 0.35)
    assert parse_name("EfficientNetB7") == ("EfficientNetB7", 1.0)
    for wrong in ("VGG11", "MobileNetV2-0.4", "ResNet50-0.5", "", "efficientnetb0"):
        with pytest.raises(UserError, match="backbone: expected one of hidden, traditional"):
            parse_name(wrong)


def test_every_backbone_of_keras_has_a_name_and_its_preprocessing() -> None:
    offered = {name: value for name, value in vars(keras.applications).items() if name[0].isupper()}
    assert set(MODULES) == set(offered)
    for name, module in MODULES.items():
        own = sys.modules[offered[name].__module__].preprocess_input
        assert getattr(keras.applications, module).preprocess_input is own


def test_photos_too_small_for_the_backbone_are_refused() -> None:
    for name, px in {"InceptionV3": 75, "Xception": 71, "ResNet50": 32}.items():
        with pytest.raises(UserError, match=f"image_px: expected {px} or more"):
            settings(name, image_px=px - 1)
        settings(name, image_px=px)


def test_there_are_no_imagenet_weights_of_our_own_backbones() -> None:
    for name in ("hidden", "traditional", "residual"):
        with pytest.raises(UserError, match=f"weights: expected none, or a file, with backbone {name}"):
            settings(name, weights="imagenet")


def test_weights_of_our_own_backbone_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "traditional.weights.h5"
    first = build(settings("traditional"), 2).get_layer("backbone")
    first.save_weights(path)
    second = build(settings("traditional", weights=str(path)), 2).get_layer("backbone")
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_a_file_of_imagenet_weights_does_what_downloading_them_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "efficientnet.weights.h5"
    source = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=(32, 32, 3))
    normalization = next(layer for layer in source.layers if isinstance(layer, keras.layers.Normalization))
    normalization.set_weights([np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225]), np.array(0)])
    source.save_weights(path)
    monkeypatch.setattr("keras.src.utils.file_utils.get_file", lambda *_, **__: str(path))
    downloaded, local = (features(build(settings("EfficientNetB0", weights=weights), 2)) for weights in ("imagenet", str(path)))
    assert_same(local(photos()), downloaded(photos()))


@pytest.mark.slow
def test_weights_of_another_backbone_are_refused_in_one_line(tmp_path: Path) -> None:
    other = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(32, 32, 3), alpha=0.5)
    path = tmp_path / "other.weights.h5"
    other.save_weights(path)
    for backbone in ("MobileNetV2-0.35", "traditional"):
        with pytest.raises(UserError, match=f"do not fit backbone {backbone}") as caught:
            build(settings(backbone, weights=str(path)), 2)
        assert "\n" not in str(caught.value)


def test_imagenet_weights_that_cannot_be_downloaded_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://localhost:9")
    with pytest.raises(UserError, match="weights imagenet: cannot be downloaded"):
        build(settings("MobileNetV2-0.5", image_px=96, weights="imagenet"), 2)


def test_a_file_that_is_no_weights_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.weights.h5"
    path.write_text("no weights")
    with pytest.raises(UserError, match="do not fit backbone"):
        build(settings("MobileNetV2-0.35", weights=str(path)), 2)
    with pytest.raises(UserError, match=r"expected imagenet, none, or a \.weights\.h5 file, received 'nowhere\.h5'"):
        build(settings("MobileNetV2-0.35", weights="nowhere.h5"), 2)


@pytest.mark.skipif(not WEIGHTS.is_file(), reason="the shared ImageNet weights are not on this machine")
@pytest.mark.slow
def test_pretrained_weights_are_loaded() -> None:
    network = build(settings("MobileNetV2-0.35", image_px=96, weights=str(WEIGHTS)), 2)
    first = network.get_layer("backbone").get_layer("Conv1").get_weights()[0]
    reference = keras.applications.MobileNetV2(alpha=0.35, include_top=False, weights=str(WEIGHTS), input_shape=(96, 96, 3))
    np.testing.assert_array_equal(first, reference.get_layer("Conv1").get_weights()[0])
