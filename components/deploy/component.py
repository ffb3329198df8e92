"""The kfp faces of deploy."""

from kfp import dsl


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def find_champion(repository: str, model_name: str, champion: str) -> str:
    """The address of the published version that a new model has to beat; empty where there is none."""
    from components.common.errors import one_line_errors
    from components.deploy.champion import find

    with one_line_errors():
        return find(repository, model_name, champion)


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def deploy(
    saved_model: dsl.Input[dsl.Model],
    evaluation: dsl.Input[dsl.Artifact],
    validation: dsl.Input[dsl.Artifact],
    repository: str,
    model_name: str,
    servers: str,
    keep_versions: int,
) -> str:
    """Blessed and validated SavedModel -> the next version in the model repository and on the servers; returns its address."""
    from pathlib import Path

    from components.common.errors import one_line_errors
    from components.deploy.step import run

    with one_line_errors():
        return run(
            Path(saved_model.path),
            Path(evaluation.path),
            Path(validation.path),
            repository,
            model_name,
            servers=servers,
            keep_versions=keep_versions,
        )
