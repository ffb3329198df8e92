"""The kfp face of sanity."""

from typing import List  # noqa: UP035 - the component's executor knows typing.List

from kfp import dsl


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def sanity(
    records: dsl.Input[List[dsl.Dataset]],  # noqa: UP006
    page: dsl.Output[dsl.HTML],
    train_settings: dict,  # type: ignore[type-arg]
) -> None:
    """Fails, in one line, where a check says that training with these settings on these records would come to nothing."""
    from pathlib import Path

    from components.common.errors import one_line_errors
    from components.train.config import TrainConfig
    from components.train.sanity.step import run

    with one_line_errors():
        run([Path(folder.path) for folder in records], Path(page.path), TrainConfig.of(train_settings))
