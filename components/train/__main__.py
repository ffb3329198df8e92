"""`python -m components.train plots --records FOLDER --output FOLDER` draws what training is fed."""

from pathlib import Path

import click
from rich.console import Console

from components.common.errors import one_line_errors


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command("plots", help="Draw the splits, the sampling, sample photos and each policy's augmentation as PNG files.")
@click.option("--records", type=click.Path(path_type=Path), multiple=True, required=True, help="A folder of shard; repeatable.")
@click.option("--output", type=click.Path(path_type=Path), default=Path("build/plots"), show_default=True)
@click.option("--strength", default=1.0, show_default=True, help="Of the augmentation, 0-1.")
def plots_command(records: tuple[Path, ...], output: Path, strength: float) -> None:
    # only now: the other commands do without Matplotlib
    from components.train.plots.write import run

    with one_line_errors():
        for path in run(records, output, strength):
            Console(soft_wrap=True, highlight=False).print(str(path))


if __name__ == "__main__":
    main()
