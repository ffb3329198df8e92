"""The original project's "residual" CNN, up to its last residual unit; its dense layers are in `heads.py`."""

import keras
from keras import layers


def backbone(image_px: int) -> keras.Model:
    """Photos `(n, image_px, image_px, 3)`, 0-255 -> a feature map `(n, image_px / 32, image_px / 32, 512)`.

    1. Conv(64 filters, 3x3 kernel, 2 strides)|BatchNorm|Relu
    2. [Conv(64 filters, 3x3 kernel, 1 stride)|BatchNorm|Relu]*2|MaxPool(2)
    3. Residual(64 filters)*3|Residual(128 filters)*4|Residual(256 filters)*4|Residual(512 filters)*3
    """
    photo = keras.Input((image_px, image_px, 3))
    x = layers.Rescaling(1 / 255, offset=-0.5)(photo)
    for strides in (2, 1, 1):
        x = layers.Activation("relu")(_conv(x, 64, 3, strides))
    x = layers.MaxPooling2D(2)(x)
    for filters, units in ((64, 3), (128, 4), (256, 4), (512, 3)):
        for _ in range(units):
            x = _residual(x, filters)
    return keras.Model(photo, x, name="backbone")


def _residual(x: keras.KerasTensor, filters: int) -> keras.KerasTensor:
    """Two convolutions beside a shortcut (He et al., 2015, arXiv:1512.03385, fig. 2); where the filters become more, strides of 2
    and a projection on the shortcut (its option B).
    """
    shortcut, strides = x, 1
    if x.shape[-1] != filters:
        strides = 2
        shortcut = _conv(x, filters, 1, strides)
    x = layers.Activation("relu")(_conv(x, filters, 3, strides))
    x = layers.Add()([shortcut, _conv(x, filters, 3, 1)])
    return layers.Activation("relu")(x)


def _conv(x: keras.KerasTensor, filters: int, kernel: int, strides: int) -> keras.KerasTensor:
    x = layers.Conv2D(filters, kernel, strides, padding="same", use_bias=False)(x)
    return layers.BatchNormalization()(x)
