"""The kfp face of shard."""

from kfp import dsl


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def shard(
    dataset: dsl.Input[dsl.Dataset], records: dsl.Output[dsl.Dataset], task: int, tasks: int, shard_bytes: int, seed: int
) -> None:
    """Dataset -> this task's share of the TFRecords."""
    from pathlib import Path

    from components.common.errors import one_line_errors
    from components.shard.step import run

    with one_line_errors():
        info = run(Path(dataset.path), Path(records.path), task=task, tasks=tasks, shard_bytes=shard_bytes, seed=seed)
    records.metadata.update(shards=len(info["shards"]), records=sum(entry["records"] for entry in info["shards"].values()))
