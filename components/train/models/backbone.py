"""The backbone that the settings name, with its weights, and the preprocessing that it was made for."""

import re
import warnings
from pathlib import Path

import keras

from components.common.errors import UserError
from components.train.backbones import CUSTOM, MODULES, parse_name
from components.train.config import TrainConfig
from components.train.models import hidden, residual, traditional

_OWN = {"hidden": hidden.backbone, "traditional": traditional.backbone, "residual": residual.backbone}


def backbone_of(config: TrainConfig) -> keras.Model:
    """-> a model named `backbone`: preprocessed photos -> a feature map `(n, height, width, channels)`.

    Raises:
        UserError: weights that are not there or do not fit.
    """
    local = config.weights not in ("imagenet", "none")
    if local and not Path(config.weights).is_file():
        raise UserError(f"weights: expected imagenet, none, or a .weights.h5 file, received {config.weights!r}")
    if config.backbone in CUSTOM:
        model = _OWN[config.backbone](config.image_px)
    else:
        model = _application(config.backbone, config.image_px, "imagenet" if config.weights == "imagenet" else None)
    if local:
        _load(model, config)
    return model


def preprocess(photo: keras.KerasTensor, backbone: keras.Model, config: TrainConfig) -> keras.KerasTensor:
    """Photos 0-255 -> what `backbone` expects; our own backbones and some of Keras's scale inside."""
    if config.backbone in CUSTOM:
        return photo
    kind, _ = parse_name(config.backbone)
    if re.fullmatch(r"EfficientNetB\d", kind) and config.weights != "imagenet":
        return _rescaled(photo, backbone)
    return getattr(keras.applications, MODULES[kind]).preprocess_input(photo)


def _application(name: str, image_px: int, weights: str | None) -> keras.Model:
    kind, alpha = parse_name(name)
    width = {"alpha": alpha} if kind == "MobileNetV2" else {}
    try:
        model = getattr(keras.applications, kind)(include_top=False, weights=weights, input_shape=(image_px, image_px, 3), **width)
    except Exception as error:
        if "URL fetch failure" in str(error):
            raise UserError(f"weights imagenet: cannot be downloaded ({error}); check the network, or give a file") from error
        raise
    # Named so only now: EfficientNetV2 and ConvNeXt choose their preprocessing and their ImageNet weights by their own name.
    return keras.Model(model.input, model.output, name="backbone")


def _load(model: keras.Model, config: TrainConfig) -> None:
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "Skipping", UserWarning)
            model.load_weights(config.weights)
    except (ValueError, OSError, UserWarning) as error:
        raise UserError(
            f"weights {config.weights!r} do not fit backbone {config.backbone}: expected its own weights without the top, as Keras "
            f"saves them; Keras says: {str(error)[:200]}"
        ) from error


def _rescaled(photo: keras.KerasTensor, backbone: keras.Model) -> keras.KerasTensor:
    """The ImageNet weights of EfficientNet hold a standard deviation where a variance belongs; Keras makes up for it by another
    division, but only where it downloads them itself. Here the same is done before the backbone: none where the variance is 1.
    """
    normalization = next(layer for layer in backbone.layers if isinstance(layer, keras.layers.Normalization))
    mean, variance = normalization.get_weights()[:2]
    scale = variance**-0.5
    return keras.layers.Rescaling(scale.tolist(), (255 * mean * (1 - scale)).tolist(), dtype="float32", name="rescaling")(photo)
