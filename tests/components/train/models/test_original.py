"""The original's two CNNs layer by layer, as its README lists them, and the sanity checks' model."""

import keras
import numpy as np
import pytest

from components.train.models import build
from tests.components.train.models.conftest import settings

CLASSES = 196
DENSE_PART = ["Drop 0.7", "Dense 512", "BatchNorm", "Relu"] * 2


def listed(layers: list[keras.layers.Layer]) -> list[str]:
    """The layers in the README's words."""
    lines = []
    for layer in layers:
        match layer:
            case keras.layers.Conv2D():
                (kernel, _), (strides, _) = layer.kernel_size, layer.strides
                lines.append(f"Conv {layer.filters} {kernel}x{kernel} {strides}")
            case keras.layers.BatchNormalization():
                lines.append("BatchNorm")
            case keras.layers.Activation():
                lines.append(layer.activation.__name__.capitalize())
            case keras.layers.MaxPooling2D():
                lines.append(f"MaxPool {layer.pool_size[0]}")
            case keras.layers.Dropout():
                lines.append(f"Drop {layer.rate}")
            case keras.layers.Dense():
                lines.append(f"Dense {layer.units}")
            case keras.layers.InputLayer() | keras.layers.Rescaling():
                pass
            case _:
                lines.append(type(layer).__name__)
    return lines


def way_to(network: keras.Model, name: str) -> list[str]:
    """The layers from the feature map to a last layer."""
    ends = keras.Model(network.get_layer("pool").input, network.get_layer(name).output)
    return listed(ends.layers)


def test_traditional() -> None:
    network = build(settings("traditional", image_px=224, dropout=0.7), CLASSES)
    backbone = network.get_layer("backbone")
    assert listed(backbone.layers) == [
        *["Conv 64 5x5 2", "BatchNorm", "Relu", "MaxPool 2"],
        *["Conv 128 3x3 1", "BatchNorm", "Relu"] * 2,
        "MaxPool 2",
        *["Conv 256 3x3 1", "BatchNorm", "Relu"] * 2,
        "MaxPool 2",
    ]
    assert backbone.output_shape == (None, 14, 14, 256)
    assert way_to(network, "logits") == ["Flatten", *DENSE_PART, "Drop 0.7", "Dense 196"]
    assert way_to(network, "box_center_size") == ["Flatten", *DENSE_PART, "Drop 0.7", "Dense 4"]


def test_residual() -> None:
    network = build(settings("residual", image_px=224, dropout=0.7), CLASSES)
    backbone = network.get_layer("backbone")
    layers = listed(backbone.layers)
    stem = [*["Conv 64 3x3 2", "BatchNorm", "Relu"], *["Conv 64 3x3 1", "BatchNorm", "Relu"] * 2, "MaxPool 2"]
    assert layers[: len(stem)] == stem
    convolutions = [line for line in layers[len(stem) :] if line.startswith("Conv")]
    expected = ["Conv 64 3x3 1"] * 6
    for filters, units in ((128, 4), (256, 4), (512, 3)):
        expected += [f"Conv {filters} 3x3 2", f"Conv {filters} 1x1 2", *[f"Conv {filters} 3x3 1"] * (2 * units - 1)]
    assert sorted(convolutions) == sorted(expected)
    assert layers.count("Add") == 3 + 4 + 4 + 3
    assert backbone.output_shape == (None, 7, 7, 512)
    assert way_to(network, "logits") == ["GlobalAveragePooling2D", *DENSE_PART, "Drop 0.7", "Dense 196"]


def test_a_residual_unit_adds_to_what_it_is_given() -> None:
    backbone = build(settings("residual"), 2).get_layer("backbone")
    added = [layer for layer in backbone.layers if isinstance(layer, keras.layers.Add)]
    unit = keras.Model(added[0].output, added[1].output)
    for layer in unit.layers:
        if isinstance(layer, keras.layers.Conv2D):
            layer.kernel.assign(np.zeros(layer.kernel.shape))
    x = np.random.default_rng(0).normal(size=(1, *unit.input_shape[1:])).astype(np.float32)
    np.testing.assert_array_equal(unit(x), np.maximum(x, 0))


def test_there_is_one_hidden_layer_between_pixels_and_classes() -> None:
    network = build(settings("hidden", dropout=0.0), CLASSES)
    assert listed(network.get_layer("backbone").layers) == ["Flatten", "Dense 64", "Reshape"]
    assert way_to(network, "logits") == ["GlobalAveragePooling2D", "Drop 0.0", "Dense 196"]


@pytest.mark.parametrize("backbone", ["hidden", "traditional", "residual"])
def test_pixels_are_scaled_to_half_around_zero(backbone: str) -> None:
    model = build(settings(backbone), 2).get_layer("backbone")
    scaled = keras.Model(model.input, model.layers[1].output)(np.tile(np.float32([0, 127.5, 255]), (1, 32, 32, 1)))
    np.testing.assert_allclose(np.asarray(scaled)[0, 0, 0], [-0.5, 0, 0.5], atol=1e-6)
