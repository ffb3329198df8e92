"""`python -m components.evaluate …`: looks at what was trained, beyond what the pipeline's step measures."""

from pathlib import Path

import click
from rich.console import Console

from components.common.errors import one_line_errors
from components.common.quiet import quiet_tensorflow


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command("explain", help="Draw where in each PHOTO class and box come from, what the model takes the class for, and a dream.")
@click.argument("photos", nargs=-1, required=True, metavar="PHOTO...", type=click.Path(path_type=Path))
@click.option("--model", type=click.Path(path_type=Path), required=True, help="The folder that train wrote.")
@click.option("--class", "class_name", default="", metavar="NAME", help="The class to explain; by default the answered one.")
@click.option("--layer", default="", metavar="NAME", help="The backbone's layer that dreams; by default the last of stride 16.")
@click.option("--output", type=click.Path(path_type=Path), default=Path("build/explain"), show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
def explain_command(photos: tuple[Path, ...], model: Path, class_name: str, layer: str, output: Path, seed: int) -> None:
    with quiet_tensorflow():
        from components.evaluate.explain.step import run

    with one_line_errors():
        for path in run(photos, model, output, class_name=class_name, layer=layer, seed=seed):
            Console(soft_wrap=True, highlight=False).print(str(path))


if __name__ == "__main__":
    main()
