"""The original project's "traditional" CNN, up to its last pooling; its dense layers are in `heads.py`."""

import keras
from keras import layers


def backbone(image_px: int) -> keras.Model:
    """Photos `(n, image_px, image_px, 3)`, 0-255 -> a feature map `(n, image_px / 16, image_px / 16, 256)`.

    1. Conv(64 filters, 5x5 kernel, 2 strides)|BatchNorm|Relu|MaxPool(2)
    2. [Conv(128 filters, 3x3 kernel, 1 stride)|BatchNorm|Relu]*2|MaxPool(2)
    3. [Conv(256 filters, 3x3 kernel, 1 stride)|BatchNorm|Relu]*2|MaxPool(2)
    """
    photo = keras.Input((image_px, image_px, 3))
    x = layers.Rescaling(1 / 255, offset=-0.5)(photo)
    for filters, kernel, strides, repeats in ((64, 5, 2, 1), (128, 3, 1, 2), (256, 3, 1, 2)):
        for _ in range(repeats):
            x = layers.Conv2D(filters, kernel, strides, padding="same", use_bias=False)(x)
            x = layers.BatchNormalization()(x)
            x = layers.Activation("relu")(x)
        x = layers.MaxPooling2D(2)(x)
    return keras.Model(photo, x, name="backbone")
