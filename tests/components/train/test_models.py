"""The two-head network on each kind of backbone."""

from pathlib import Path

import keras
import numpy as np
import pytest

from components.common.errors import UserError
from components.train.backbones import parse_name
from components.train.models import build

WEIGHTS = Path(__file__).resolve().parents[3] / ".." / "shared" / "weights" / "mobilenet_v2_0.35_224_no_top.weights.h5"


@pytest.mark.parametrize("backbone", ["MobileNetV2-0.35", "ResNet50", "EfficientNetB0"])
def test_the_model_survives_saving_and_answers_boxes_that_are_boxes(backbone: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    model = build(backbone, 7, 64)
    photos = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3)).astype(np.float32)
    answer = model(photos)
    assert answer["logits"].shape == (3, 7)
    box = np.asarray(answer["box"])
    assert (box[:, :2] < box[:, 2:]).all()
    model.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras", compile=False)(photos)
    np.testing.assert_allclose(restored["logits"], answer["logits"], atol=1e-5)


def test_preprocessing_is_part_of_the_model() -> None:
    keras.utils.set_random_seed(0)
    model = build("ResNet50", 2, 64)
    photos = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.float32)
    features = model.get_layer("backbone")(keras.applications.resnet50.preprocess_input(photos.copy()))
    expected = model.get_layer("logits")(model.get_layer("pool")(features))
    np.testing.assert_allclose(model(photos)["logits"], expected, atol=1e-4)


def test_the_untrained_box_is_the_mean_box() -> None:
    box = (0.1, 0.2, 0.7, 0.9)
    answer = build("MobileNetV2-0.35", 2, 32, mean_box=box)(np.zeros((1, 32, 32, 3), np.float32))
    np.testing.assert_allclose(np.asarray(answer["box"])[0], box, atol=1e-5)


def test_batchnorm_momentum_reaches_every_layer() -> None:
    layers = build("MobileNetV2-0.35", 2, 32, batchnorm_momentum=0.8).get_layer("backbone").layers
    momenta = {layer.momentum for layer in layers if isinstance(layer, keras.layers.BatchNormalization)}
    assert momenta == {0.8}


def test_names() -> None:
    assert parse_name("MobileNetV2-0.35") == ("MobileNetV2", 0.35)
    assert parse_name("EfficientNetB7") == ("EfficientNetB7", 1.0)
    for wrong in ("VGG16", "MobileNetV2-0.4", "ResNet50-0.5", "", "efficientnetb0"):
        with pytest.raises(UserError, match="backbone: expected one of EfficientNetB0"):
            parse_name(wrong)


def test_weights_of_another_backbone_are_refused_in_one_line(tmp_path: Path) -> None:
    other = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(32, 32, 3), alpha=0.5)
    path = tmp_path / "other.weights.h5"
    other.save_weights(path)
    for backbone in ("MobileNetV2-0.35", "EfficientNetB0"):
        with pytest.raises(UserError, match=f"do not fit backbone {backbone}") as caught:
            build(backbone, 2, 32, weights=str(path))
        assert "\n" not in str(caught.value)


def test_imagenet_weights_that_cannot_be_downloaded_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://localhost:9")
    with pytest.raises(UserError, match="weights imagenet: cannot be downloaded"):
        build("MobileNetV2-0.5", 2, 96, weights="imagenet")


def test_a_file_that_is_no_weights_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.weights.h5"
    path.write_text("no weights")
    with pytest.raises(UserError, match="do not fit backbone"):
        build("MobileNetV2-0.35", 2, 32, weights=str(path))
    with pytest.raises(UserError, match=r"expected imagenet, none, or a \.weights\.h5 file, received 'nowhere\.h5'"):
        build("MobileNetV2-0.35", 2, 32, weights="nowhere.h5")


@pytest.mark.skipif(not WEIGHTS.is_file(), reason="the shared ImageNet weights are not on this machine")
def test_pretrained_weights_are_loaded() -> None:
    first = build("MobileNetV2-0.35", 2, 96, weights=str(WEIGHTS)).get_layer("backbone").get_layer("Conv1").get_weights()[0]
    reference = keras.applications.MobileNetV2(alpha=0.35, include_top=False, weights=str(WEIGHTS), input_shape=(96, 96, 3))
    np.testing.assert_array_equal(first, reference.get_layer("Conv1").get_weights()[0])
