"""The kfp face of export."""

from kfp import dsl


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def export(model: dsl.Input[dsl.Model], saved_model: dsl.Output[dsl.Model], model_name: str) -> None:
    """Trained model -> SavedModel."""
    from pathlib import Path

    from components.common.errors import one_line_errors
    from components.export.step import run

    with one_line_errors():
        run(Path(model.path), Path(saved_model.path), model_name=model_name)
