"""The kfp face of ingest."""

from kfp import dsl


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def ingest(
    dataset: dsl.Output[dsl.Dataset],
    source: str,
    source_version: str,
    sha256: str,
    split_seed: int,
    validation_share: float,
    max_rejected_share: float,
) -> None:
    """Source of labelled photos -> checked dataset. `source_version` only tells kfp's cache when the source has changed."""
    from pathlib import Path

    from components.common.errors import one_line_errors
    from components.ingest.step import run

    with one_line_errors():
        info = run(
            source,
            Path(dataset.path),
            seed=split_seed,
            validation_share=validation_share,
            max_rejected_share=max_rejected_share,
            sha256=sha256,
        )
    dataset.metadata.update(id=info["id"], photos=info["photos"], classes=info["classes"], source_version=source_version)
