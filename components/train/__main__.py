"""`python -m components.train …`: the entry point of a training pod, and what looks at a training from outside."""

from pathlib import Path

import click
from rich.console import Console

from components.common.errors import one_line_errors
from components.common.quiet import quiet_tensorflow
from components.common.settings import pairs
from components.train import presets
from components.train.config import TrainConfig

records_option = click.option(
    "--records", type=click.Path(path_type=Path), multiple=True, required=True, help="A folder of shard; repeatable."
)
preset_option = click.option("--preset", default="", help=f"Named settings: {', '.join(presets.NAMES)}.")
settings_option = click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A training setting; repeatable.")


@click.group(help=__doc__)
def main() -> None:
    pass


def chosen(preset: str, settings: tuple[str, ...]) -> TrainConfig:
    """The preset's settings, over them those given one by one.

    Raises:
        UserError: no such preset or setting, or a value out of its range.
    """
    return TrainConfig.of({**(presets.load(preset).train if preset else {}), **pairs(settings)})


@main.command("run", help="Train: records -> model.keras, config.json, history.csv, tensorboard/.")
@records_option
@click.option("--output", type=click.Path(path_type=Path), required=True, help="The folder to write.")
@preset_option
@settings_option
@click.option("--checkpoints", default="", help="A folder or gs:// prefix; a run that ended early goes on from there.")
def run_command(records: tuple[Path, ...], output: Path, preset: str, settings: tuple[str, ...], checkpoints: str) -> None:
    with quiet_tensorflow():
        from components.train.step import run

    with one_line_errors():
        run(records, output, chosen(preset, settings), checkpoints=checkpoints)


@main.command("plots", help="Draw the splits, the sampling, sample photos and each policy's augmentation as PNG files.")
@records_option
@click.option("--output", type=click.Path(path_type=Path), default=Path("build/plots"), show_default=True)
@click.option("--strength", default=1.0, show_default=True, help="Of the augmentation, 0-1.")
def plots_command(records: tuple[Path, ...], output: Path, strength: float) -> None:
    with quiet_tensorflow():
        from components.train.plots.write import run

    with one_line_errors():
        for path in run(records, output, strength):
            Console(soft_wrap=True, highlight=False).print(str(path))


@main.command("neighbours", help="Recognise photos by those nearest to them, of known classes and of classes never trained on.")
@records_option
@click.option("--model", type=click.Path(path_type=Path), required=True, help="The folder that run wrote, with an embedding.")
@click.option("--against", multiple=True, help="Untrained features to compare with: imagenet, none or a weights file; repeatable.")
@click.option("--output", type=click.Path(path_type=Path), default=Path("build/neighbours"), show_default=True)
def neighbours_command(records: tuple[Path, ...], model: Path, against: tuple[str, ...], output: Path) -> None:
    with quiet_tensorflow():
        from components.train.neighbours.step import run
        from components.train.neighbours.table import table

    with one_line_errors():
        Console().print(table(run(records, model, output, against)))


@main.command("sanity", help="Checks before training: first losses, gradients, a few photos learned by heart; a table and a page.")
@records_option
@click.option("--output", type=click.Path(path_type=Path), default=Path("build/sanity"), show_default=True, help="For sanity.html.")
@preset_option
@settings_option
def sanity_command(records: tuple[Path, ...], output: Path, preset: str, settings: tuple[str, ...]) -> None:
    with quiet_tensorflow():
        from components.train.sanity.step import run

    with one_line_errors():
        run(records, output / "sanity.html", chosen(preset, settings))


@main.command("lr-find", help="Learning-rate range test: a suggestion, lr-find.png and lr-find.csv.")
@records_option
@click.option("--output", type=click.Path(path_type=Path), default=Path("build/lr-find"), show_default=True)
@preset_option
@settings_option
def lr_find_command(records: tuple[Path, ...], output: Path, preset: str, settings: tuple[str, ...]) -> None:
    with quiet_tensorflow():
        from components.train.lr_find import run

    with one_line_errors():
        suggested = run(records, output, chosen(preset, settings))
        text = f"learning_rate={suggested:.2g}, where the loss falls fastest; {output / 'lr-find.png'}"
        Console(soft_wrap=True, highlight=False).print(text)


if __name__ == "__main__":
    main()
