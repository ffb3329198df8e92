"""The kfp face of train. Its settings have the names of `TrainConfig`'s fields."""

from typing import List  # noqa: UP035 - the component's executor knows typing.List

from kfp import dsl


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def train(
    records: dsl.Input[List[dsl.Dataset]],  # noqa: UP006
    model: dsl.Output[dsl.Model],
    backbone: str,
    weights: str,
    batchnorm: str,
    image_px: int,
    epochs: int,
    batch: int,
    learning_rate: float,
    weight_decay: float,
    label_smoothing: float,
    dropout: float,
    sampling: str,
    temperature: float,
    augment: str,
    strength: float,
    plain_tail: float,
    randaugment: int,
    mixup: float,
    cutmix: float,
    damaged: str,
    seed: int,
) -> None:
    """TFRecords -> the trained model."""
    from pathlib import Path

    from components.common.errors import one_line_errors
    from components.train.config import TrainConfig
    from components.train.step import run

    with one_line_errors():
        config = TrainConfig(
            backbone=backbone,
            weights=weights,
            batchnorm=batchnorm,
            image_px=image_px,
            epochs=epochs,
            batch=batch,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            label_smoothing=label_smoothing,
            dropout=dropout,
            sampling=sampling,
            temperature=temperature,
            augment=augment,
            strength=strength,
            plain_tail=plain_tail,
            randaugment=randaugment,
            mixup=mixup,
            cutmix=cutmix,
            damaged=damaged,
            seed=seed,
        )
        run([Path(folder.path) for folder in records], Path(model.path), config)
    model.metadata.update(backbone=backbone, image_px=image_px)
