"""The two-head network: a `keras.applications` backbone, a class head on the pooled features, a box head on the feature map.

Input: photos `(n, image_px, image_px, 3)`, 0-255. The backbone's own preprocessing is part of the graph.
Output: `{"logits": (n, classes), "box": (n, 4)}`; the box is x1, y1, x2, y2 relative to the photo, always x1 < x2 and y1 < y2.
Only `keras` and `keras.ops`, so it runs on any Keras backend.
"""

import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike

from components.common.errors import UserError
from components.train.backbones import parse_name

BOX_CHANNELS = 64
BOX_UNITS = 128


def build(
    backbone: str,
    classes: int,
    image_px: int,
    *,
    weights: str = "none",
    dropout: float = 0.2,
    batchnorm_momentum: float = 0.9,
    mean_box: ArrayLike = (0.1, 0.2, 0.9, 0.8),
) -> keras.Model:
    """Builds the network.

    Args:
        backbone: a name in `backbones.NAMES`; MobileNetV2 takes its width as a suffix, `MobileNetV2-0.35`.
        classes: how many classes.
        image_px: the side of the square input, pixels.
        weights: `imagenet` (downloaded by Keras), `none`, or a local `.weights.h5` file of the backbone without its top.
        dropout: before the class head.
        batchnorm_momentum: of every BatchNorm layer. The backbones' own .99-.999 lag behind on a few hundred steps.
        mean_box: the box that the untrained box head answers, relative.

    Raises:
        UserError: an unknown backbone, or weights that do not fit it.
    """
    photo = keras.Input((image_px, image_px, 3), name="photo")
    features = _backbone(backbone, image_px, weights, batchnorm_momentum)
    x = features(_preprocess(backbone, photo))

    pooled = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    pooled = keras.layers.Dropout(dropout, name="dropout")(pooled)
    logits = keras.layers.Dense(classes, name="logits", dtype="float32")(pooled)

    y = keras.layers.Conv2D(BOX_CHANNELS, 1, use_bias=False, name="box_conv")(x)
    y = keras.layers.BatchNormalization(momentum=batchnorm_momentum, name="box_norm")(y)
    y = keras.layers.Activation("relu", name="box_relu")(y)
    y = keras.layers.Flatten(name="box_flatten")(y)
    y = keras.layers.Dense(BOX_UNITS, activation="relu", name="box_dense")(y)
    bias = _center_size_logits(np.asarray(mean_box, np.float32))
    y = keras.layers.Dense(
        4, name="box_center_size", dtype="float32", kernel_initializer="zeros", bias_initializer=keras.initializers.Constant(bias)
    )(y)
    return keras.Model(photo, {"logits": logits, "box": _corners(y)}, name="marque")


def _backbone(name: str, image_px: int, weights: str, batchnorm_momentum: float) -> keras.Model:
    kind, alpha = parse_name(name)
    options: dict[str, Any] = {"alpha": alpha} if kind == "MobileNetV2" else {}
    if weights not in ("imagenet", "none") and not Path(weights).is_file():
        raise UserError(f"weights: expected imagenet, none, or a .weights.h5 file, received {weights!r}")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "Skipping", UserWarning)
            model = getattr(keras.applications, kind)(
                include_top=False,
                weights=None if weights == "none" else weights,
                input_shape=(image_px, image_px, 3),
                name="backbone",
                **options,
            )
    except Exception as error:
        if "URL fetch failure" in str(error):
            raise UserError(f"weights imagenet: cannot be downloaded ({error}); check the network, or give a file") from error
        if not isinstance(error, ValueError | OSError | UserWarning):
            raise
        raise UserError(
            f"weights {weights!r} do not fit backbone {name}: expected its own weights without the top, as Keras saves them; "
            f"Keras says: {str(error)[:200]}"
        ) from error
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = batchnorm_momentum
    return model


def _preprocess(name: str, photo: keras.KerasTensor) -> keras.KerasTensor:
    kind, _ = parse_name(name)
    if kind.startswith("EfficientNet"):
        return keras.applications.efficientnet.preprocess_input(photo)
    return {"MobileNetV2": keras.applications.mobilenet_v2, "ResNet50": keras.applications.resnet50}[kind].preprocess_input(photo)


def _center_size_logits(box: np.ndarray) -> list[float]:
    center_size = np.clip([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2, box[2] - box[0], box[3] - box[1]], 0.02, 0.98)
    return [float(value) for value in np.log(center_size / (1 - center_size))]


def _corners(center_size_logits: keras.KerasTensor) -> keras.KerasTensor:
    center_size = keras.ops.sigmoid(center_size_logits)
    center, half = center_size[:, :2], center_size[:, 2:] / 2
    return keras.ops.concatenate([center - half, center + half], axis=-1)
