"""Tiny networks of a trained one's structure."""

import keras
import numpy as np
import pytest
from keras import layers

from components.evaluate.explain.network import Network

PX = 32


@pytest.fixture
def by_hand() -> Network:
    """Its feature map `(4, 4, 3)` is the photo's mean colours. `red` rises with red anywhere, `not red` falls with it; the box
    sees blue at the map's lower left place only."""
    inner = keras.Input((PX, PX, 3))
    backbone = keras.Model(inner, layers.AveragePooling2D(PX // 4, name="mean")(inner), name="backbone")
    photo = keras.Input((PX, PX, 3))
    features = backbone(photo / 255)
    logits = layers.Dense(2, name="logits")
    box = layers.Dense(4, name="box")
    outputs = {
        "logits": logits(layers.GlobalAveragePooling2D(name="pool")(features)),
        "box": box(layers.Flatten()(features)),
    }
    model = keras.Model(photo, outputs)
    logits.set_weights([np.array([[1, -1], [0, 0], [0, 0]], np.float32), np.zeros(2, np.float32)])
    kernel = np.zeros((4, 4, 3, 4), np.float32)
    kernel[3, 0, 2] = (1, -1, 0.5, 0)
    box.set_weights([kernel.reshape(-1, 4), np.zeros(4, np.float32)])
    return Network(model, ["red", "not red"], PX)


@pytest.fixture(scope="session")
def convolutional() -> Network:
    """Random convolutions with a stride of 16 in all."""
    keras.utils.set_random_seed(0)
    inner = keras.Input((PX, PX, 3))
    x = inner
    for depth, filters in enumerate((8, 16, 16, 16)):
        x = layers.Conv2D(filters, 3, 2, padding="same", activation="relu", name=f"conv{depth}")(x)
    backbone = keras.Model(inner, x, name="backbone")
    photo = keras.Input((PX, PX, 3))
    features = backbone(photo / 127.5 - 1)
    outputs = {
        "logits": layers.Dense(3, name="logits")(layers.GlobalAveragePooling2D(name="pool")(features)),
        "box": layers.Dense(4, activation="sigmoid")(layers.Flatten()(features)),
    }
    return Network(keras.Model(photo, outputs), ["a", "b", "c"], PX)
