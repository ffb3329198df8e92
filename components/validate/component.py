"""The kfp face of validate."""

from typing import List  # noqa: UP035 - the component's executor knows typing.List

from kfp import dsl


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def validate(
    saved_model: dsl.Input[dsl.Model],
    evaluation: dsl.Input[dsl.Artifact],
    records: dsl.Input[List[dsl.Dataset]],  # noqa: UP006
    validation: dsl.Output[dsl.Artifact],
    validate_settings: dict,  # type: ignore[type-arg]
    model_name: str,
) -> None:
    """Blessed SavedModel -> recorded requests and measurements of a server that serves it; an error where it must not be pushed."""
    from pathlib import Path

    from components.common.errors import one_line_errors
    from components.common.quiet import quiet_tensorflow

    with one_line_errors():
        with quiet_tensorflow():
            from components.validate.step import run
        from components.validate.limits import Limits

        run(
            Path(saved_model.path),
            Path(evaluation.path),
            [Path(part.path) for part in records],
            Path(validation.path),
            limits=Limits.of(validate_settings),
            model=model_name,
        )
