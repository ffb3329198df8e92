"""The kfp face of train."""

from typing import List  # noqa: UP035 - the component's executor knows typing.List

from kfp import dsl


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def train(
    records: dsl.Input[List[dsl.Dataset]],  # noqa: UP006
    model: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
    train_settings: dict,  # type: ignore[type-arg]
    checkpoints: str,
) -> None:
    """TFRecords -> the trained model; `train_settings` has the names of `TrainConfig`'s fields."""
    import shutil
    from pathlib import Path

    from components.common.errors import one_line_errors
    from components.train.config import TrainConfig
    from components.train.history import best, read
    from components.train.step import run

    with one_line_errors():
        config = TrainConfig.of(train_settings)
        run([Path(folder.path) for folder in records], Path(model.path), config, checkpoints=checkpoints)
    history = Path(model.path) / "history.csv"
    for name, value in best(read(history), config).items():
        metrics.log_metric(name, value)
    # kfp.local reuses a step only where a file lies behind each of its artifacts.
    shutil.copyfile(history, metrics.path)
    model.metadata.update(backbone=config.backbone, image_px=config.image_px)
