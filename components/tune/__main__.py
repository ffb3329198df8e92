"""`python -m components.tune run` tries settings of train on records, `page` writes what a study has come to."""

from pathlib import Path

import click
from rich.console import Console

from components.common.errors import one_line_errors
from components.common.quiet import quiet_tensorflow
from components.common.settings import pairs
from components.train import presets

study_option = click.option("--study", required=True, help="A file that all workers share, or a database's URL.")
output_option = click.option("--output", type=click.Path(path_type=Path), default=Path("build/tuning"), show_default=True)


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command("run", help="Run trials until the study has as many as wanted, then write best.json, trials.csv and page.html.")
@click.option("--records", type=click.Path(path_type=Path), multiple=True, required=True, help="A folder of shard; repeatable.")
@study_option
@output_option
@click.option("--preset", default="", help=f"Named settings of train: {', '.join(presets.NAMES)}.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A setting of train that is not searched; repeatable.")
@click.option("--space", type=click.Path(path_type=Path), help="What is searched, as YAML; components/tune/space.yaml by default.")
@click.option("--trials", default=20, show_default=True, help="In the study, earlier runs' included.")
@click.option("--epochs", default=5, show_default=True, help="Of each trial.")
@click.option("--startup-trials", default=5, show_default=True, help="Complete before any is pruned.")
@click.option("--worker", default=0, show_default=True, help="Number of this worker, from 0.")
@click.option("--workers", default=1, show_default=True, help="How many run on the study, each started with its number.")
def run_command(
    records: tuple[Path, ...],
    study: str,
    output: Path,
    preset: str,
    settings: tuple[str, ...],
    space: Path | None,
    trials: int,
    epochs: int,
    startup_trials: int,
    worker: int,
    workers: int,
) -> None:
    with quiet_tensorflow():
        from components.tune import space as spaces
        from components.tune.best import best
        from components.tune.step import run

    with one_line_errors():
        train_settings = {**(presets.load(preset).train if preset else {}), **pairs(settings)}
        name = run(
            records,
            study,
            train_settings,
            space=spaces.load(space),
            trials=trials,
            trial_epochs=epochs,
            startup_trials=startup_trials,
            worker=worker,
            workers=workers,
        )
        best(study, name, output)
    _say(output)


@main.command("page", help="Write best.json, trials.csv and page.html of a study, which may still be running.")
@study_option
@click.option("--name", default="", help="Of the study, where the storage holds several.")
@output_option
def page_command(study: str, name: str, output: Path) -> None:
    with quiet_tensorflow():
        from components.tune.best import best

    with one_line_errors():
        best(study, name, output)
    _say(output)


def _say(output: Path) -> None:
    Console(soft_wrap=True, highlight=False).print(f"page: {output / 'page.html'}")


if __name__ == "__main__":
    main()
