"""The kfp face of train."""

from typing import List  # noqa: UP035 - the component's executor knows typing.List

from kfp import dsl


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def train(
    records: dsl.Input[List[dsl.Dataset]],  # noqa: UP006
    model: dsl.Output[dsl.Model],
    train_settings: dict,  # type: ignore[type-arg]
    checkpoints: str,
) -> None:
    """TFRecords -> the trained model; `train_settings` has the names of `TrainConfig`'s fields."""
    from pathlib import Path

    from components.common.errors import one_line_errors
    from components.train.config import TrainConfig
    from components.train.step import run

    with one_line_errors():
        config = TrainConfig.of(train_settings)
        run([Path(folder.path) for folder in records], Path(model.path), config, checkpoints=checkpoints)
    model.metadata.update(backbone=config.backbone, image_px=config.image_px)
