"""The kfp faces of tune: a worker, and the best of what all workers tried."""

from typing import List  # noqa: UP035 - the component's executor knows typing.List

from kfp import dsl


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def tune(
    records: dsl.Input[List[dsl.Dataset]],  # noqa: UP006
    study: str,
    train_settings: dict,  # type: ignore[type-arg]
    space: dict,  # type: ignore[type-arg]
    trials: int,
    trial_epochs: int,
    startup_trials: int,
    worker: int,
    workers: int,
) -> str:
    """A worker's trials in the study; returns the study's name. `space` is the built-in one where empty."""
    from pathlib import Path

    from components.common.errors import one_line_errors
    from components.tune.step import run

    with one_line_errors():
        return run(
            [Path(folder.path) for folder in records],
            study,
            train_settings,
            space=space,
            trials=trials,
            trial_epochs=trial_epochs,
            startup_trials=startup_trials,
            worker=worker,
            workers=workers,
        )


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def best(
    study: str,
    names: List[str],  # noqa: UP006
    tuning: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
    page: dsl.Output[dsl.HTML],
) -> dict:  # type: ignore[type-arg]
    """What the workers found, as figures and a page; returns the settings to train with. `names`: the study's, by each worker."""
    import json
    import shutil
    from pathlib import Path

    from components.common.errors import one_line_errors
    from components.tune.best import best

    folder = Path(tuning.path)
    with one_line_errors():
        settings = best(study, names[0], folder)
    found = json.loads((folder / "best.json").read_text("utf-8"))
    for name in ("score", "top1", "iou"):
        metrics.log_metric(name, found[name])
    shutil.copyfile(folder / "page.html", page.path)
    return settings
