"""One untrained network a backbone, built once for all tests; at the smallest photos, for three classes, with an embedding."""

import dataclasses
from collections.abc import Iterator

import keras
import numpy as np
import pytest

from components.train.config import TrainConfig
from components.train.models import build

CLASSES = 3
BATCH = 8
OURS = ("hidden", "traditional", "residual")
USUAL = ("MobileNetV2-0.35", "ResNet50", "EfficientNetB0", "EfficientNetV2B0", "ConvNeXtTiny")
OF_OTHER_FAMILIES = ("DenseNet121", "EfficientNetV2S", "InceptionResNetV2", "MobileNetV3Small", "NASNetMobile", "VGG16", "Xception")
MIN_PX = {"InceptionResNetV2": 75, "Xception": 71}


@dataclasses.dataclass(frozen=True)
class Built:
    """A network, the settings that it was built from, photos for it, and its answer about them."""

    network: keras.Model
    config: TrainConfig
    photos: np.ndarray
    answer: dict[str, np.ndarray]


def settings(backbone: str, **others: object) -> TrainConfig:
    """Random weights and the smallest photos."""
    wanted = {"backbone": backbone, "weights": "none", "batchnorm": "trained", "image_px": MIN_PX.get(backbone, 32)}
    return TrainConfig.of({**wanted, **others})


@pytest.fixture(
    scope="session",
    params=[*OURS, *USUAL, *(pytest.param(name, marks=pytest.mark.slow) for name in OF_OTHER_FAMILIES)],
)
def built(request: pytest.FixtureRequest) -> Iterator[Built]:
    """Each backbone in turn."""
    keras.utils.set_random_seed(0)
    config = settings(request.param, embedding=16, metric_loss="contrastive")
    photos = np.random.default_rng(0).integers(0, 256, (BATCH, config.image_px, config.image_px, 3)).astype(np.float32)
    network = build(config, CLASSES)
    yield Built(network, config, photos, {name: np.asarray(value) for name, value in network(photos).items()})
    keras.backend.clear_session()
