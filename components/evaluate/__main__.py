"""`python -m components.evaluate …`: looks at what was trained, beyond what the pipeline's step measures."""

from pathlib import Path

import click
from rich.console import Console

from components.common.errors import UserError, one_line_errors
from components.common.quiet import quiet_tensorflow
from components.common.settings import pairs
from components.evaluate.evaluation import open_evaluation
from components.evaluate.gate import Demands

records_option = click.option(
    "--records", type=click.Path(path_type=Path), multiple=True, required=True, help="A folder of shard; repeatable."
)


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
            Console(soft_wrap=True, highlight=False).print(str(path), markup=False)


@main.command("run", help="Evaluate an exported model as the pipeline does; ends with 1 where the verdict is a refusal.")
@click.option("--saved-model", type=click.Path(path_type=Path), required=True, help="The folder that export wrote.")
@records_option
@click.option("--output", type=click.Path(path_type=Path), default=Path("build/evaluation"), show_default=True)
@click.option("--model", type=click.Path(path_type=Path), help="The folder that train wrote: curves, recipe, heat maps.")
@click.option("--dataset", type=click.Path(path_type=Path), help="The folder that ingest wrote: source, rejected photos.")
@click.option("--champion", default="", help="An evaluation, or a published version, to beat; here or on gs://.")
@click.option("--override", default="", metavar="REASON", help="Let the model through whatever the verdict; goes on record.")
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="A demand of the gate, such as min_top1=0.8; repeatable."
)
@click.option("--split", default="test", show_default=True)
def run_command(
    saved_model: Path,
    records: tuple[Path, ...],
    output: Path,
    model: Path | None,
    dataset: Path | None,
    champion: str,
    override: str,
    settings: tuple[str, ...],
    split: str,
) -> None:
    with quiet_tensorflow():
        from components.evaluate.step import run

    with one_line_errors():
        if champion not in ("", "none"):
            open_evaluation(champion)  # not only after minutes
        demands = Demands.of(pairs(settings))
        found = run(
            saved_model,
            records,
            output,
            demands=demands,
            champion=champion,
            override=override,
            model=model,
            dataset=dataset,
            split=split,
        )
        if not found["blessed"]:
            raise UserError(f"the model was refused: {' '.join(found['missed'])} See {output / 'report.html'}")
        verdict = "let through against the verdict" if found["override"] else "blessed"
        said = f"{verdict}: {' '.join(found['reasons'])}\nreport: {output / 'report.html'}"
        Console(soft_wrap=True, highlight=False).print(said, markup=False)


@main.command("compare", help="Two evaluations, or published versions, of the same photos side by side: comparison.html and .json.")
@click.argument("first")
@click.argument("second")
@click.option("--records", type=click.Path(path_type=Path), multiple=True, help="A folder of shard, for the photos; repeatable.")
@click.option("--output", type=click.Path(path_type=Path), default=Path("build/compare"), show_default=True)
def compare_command(first: str, second: str, records: tuple[Path, ...], output: Path) -> None:
    with quiet_tensorflow():
        from components.evaluate.compare import PAGE, run

    with one_line_errors():
        console = Console(highlight=False)
        console.print(run(first, second, output, records))
        console.print(str(output / PAGE), soft_wrap=True, markup=False)


if __name__ == "__main__":
    main()
