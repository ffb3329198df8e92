"""The sanity checks' model: a single hidden layer between pixels and classes."""

import keras
from keras import layers

UNITS = 64


def backbone(image_px: int) -> keras.Model:
    """Photos `(n, image_px, image_px, 3)`, 0-255 -> features `(n, 1, 1, UNITS)`; each sees every pixel, so they know of places."""
    photo = keras.Input((image_px, image_px, 3))
    x = layers.Rescaling(1 / 255, offset=-0.5)(photo)
    x = layers.Flatten()(x)
    x = layers.Dense(UNITS, activation="relu", name="hidden")(x)
    x = layers.Reshape((1, 1, UNITS))(x)
    return keras.Model(photo, x, name="backbone")
