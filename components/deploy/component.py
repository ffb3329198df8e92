"""The kfp face of deploy."""

from kfp import dsl


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def deploy(
    saved_model: dsl.Input[dsl.Model],
    evaluation: dsl.Input[dsl.Artifact],
    repository: str,
    model_name: str,
    min_top1: float,
    min_mean_iou: float,
) -> str:
    """Blessed SavedModel -> the next version in the model repository; returns its address."""
    from pathlib import Path

    from components.common.errors import one_line_errors
    from components.deploy.step import run

    with one_line_errors():
        return run(
            Path(saved_model.path),
            Path(evaluation.path) / "metrics.json",
            repository,
            model_name,
            min_top1=min_top1,
            min_mean_iou=min_mean_iou,
        )
