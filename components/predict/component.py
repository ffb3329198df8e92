"""The kfp faces of predict: the listing, a task, and what joins the tasks' parts."""

from typing import List  # noqa: UP035 - the component's executor knows typing.List

from kfp import dsl


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def list_photos(listing: dsl.Output[dsl.Dataset], photos: str, chunk_photos: int) -> None:
    """Folder or bucket of photos -> the chunks that the tasks share."""
    from pathlib import Path

    from components.common.errors import one_line_errors
    from components.predict.listing import write_listing

    with one_line_errors():
        info = write_listing(photos, Path(listing.path), chunk_photos)
    listing.metadata.update(photos=info["photos"], chunks=info["chunks"])


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def predict(
    listing: dsl.Input[dsl.Dataset],
    model: str,
    output: str,
    batch: int,
    task: int,
    tasks: int,
) -> dict:  # type: ignore[type-arg]
    """One task's chunks -> their parts in the output place; returns what it did."""
    from pathlib import Path

    from components.common.errors import one_line_errors
    from components.predict.step import run

    with one_line_errors():
        return run(Path(listing.path), model, output, task=task, tasks=tasks, batch=batch)


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def collect(
    listing: dsl.Input[dsl.Dataset],
    reports: List[dict],  # type: ignore[type-arg]  # noqa: UP006
    summary: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
    model: str,
    output: str,
) -> None:
    """All parts -> predictions.parquet and summary.json in the output place; the summary also as an artifact."""
    import json
    from pathlib import Path

    from components.common.errors import one_line_errors
    from components.predict.collect import run

    with one_line_errors():
        found = run(Path(listing.path), model, output, reports)
    for name in ("photos", "errors", "seconds", "photos_per_s"):
        metrics.log_metric(name, found[name])
    summary.metadata.update(predictions=f"{output.rstrip('/')}/predictions.parquet")
    for artifact in (summary, metrics):
        Path(artifact.path).write_text(json.dumps(found, ensure_ascii=False), "utf-8")
