"""A small sound network on the toy records, to be broken in one way at a time."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import keras
import pytest

from components.common.records import Records, open_records
from components.train.config import TrainConfig
from components.train.models import build
from components.train.reader import Batch, Reader
from components.train.trainee import Trainee

CONFIG = TrainConfig(backbone="hidden", weights="none", batchnorm="trained", image_px=32, batch=8, augment="none")

Make = Callable[..., Trainee]


@pytest.fixture(scope="session")
def opened(toy_records: list[Path]) -> Records:
    return open_records(toy_records)


@pytest.fixture(scope="session")
def batch(opened: Records) -> Batch:
    """Eight photos."""
    with Reader(opened, CONFIG) as reader:
        return next(iter(reader.training()))


@pytest.fixture
def make(opened: Records) -> Make:
    """Builds the network, untrained; equal settings give equal weights."""

    def fresh(kind: type[Trainee] = Trainee, **settings: object) -> Trainee:
        keras.utils.set_random_seed(0)
        config = dataclasses.replace(CONFIG, **settings)
        return kind(build(config, len(opened.classes), mean_box=opened.mean_train_box), config)

    return fresh
