"""`python -m components.shard DATASET OUTPUT` writes a dataset's TFRecords."""

from pathlib import Path

import click

from components.common.errors import one_line_errors


@click.command(help="Write the TFRecords of the dataset folder DATASET into the folder OUTPUT.")
@click.argument("dataset", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--task", default=0, show_default=True, help="Number of this task, from 0.")
@click.option("--tasks", default=1, show_default=True, help="How many tasks share the work, each with an OUTPUT of its own.")
@click.option("--shard-bytes", default=64 * 2**20, show_default=True, help="Bytes of photos in a shard, about.")
@click.option("--seed", default=0, show_default=True, help="Seed of the deal.")
def main(dataset: Path, output: Path, task: int, tasks: int, shard_bytes: int, seed: int) -> None:
    from components.shard.step import run

    with one_line_errors():
        run(dataset, output, task=task, tasks=tasks, shard_bytes=shard_bytes, seed=seed)


if __name__ == "__main__":
    main()
