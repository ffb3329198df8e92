"""`python -m pipelines compile | run | tune | batch | submit | demo`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from components.common.errors import UserError, one_line_errors
from components.train import presets
from pipelines.parameters import collect, read_types
from pipelines.scheduling import parts, scheduling_options
from pipelines.scheduling import read as read_scheduling
from pipelines.submit.command import submit

if TYPE_CHECKING:
    from pipelines.run import Result

PIPELINES = Path("build/pipelines")
PIPELINE = PIPELINES / "training.yaml"

pipeline_option = click.option("--pipeline", type=click.Path(path_type=Path), help="Compiled YAML; compiled anew where not given.")
preset_option = click.option("--preset", "preset_name", default="", help=f"Named settings: {', '.join(presets.NAMES)}.")
settings_option = click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="A pipeline parameter or training setting; repeatable."
)
source_option = click.option(
    "--source", required=True, help="Folder, archive, gs://…, https://… or toy://?classes=8&per_class=60&seed=1."
)
tasks_option = click.option(
    "--tasks", type=click.IntRange(min=1), default=2, show_default=True, help="batch: tasks of predict, side by side."
)
workers_option = click.option(
    "--workers", type=click.IntRange(min=1), default=2, show_default=True, help="tuning: tasks of tune, side by side."
)


@click.group()
def main() -> None:
    """Compile the pipelines, run them here, or submit them to a cluster."""


@main.command("compile")
@click.argument("name", type=click.Choice(["training", "tuning", "batch", "monitoring"]), default="training")
@click.option("--output", type=click.Path(path_type=Path), help=f"{PIPELINES}/NAME.yaml by default.")
@click.option("--image", default="", help="One image of every step, instead of those of `make images`.")
@click.option("--registry", default="", help="Where the images were pushed to; this machine by default.")
@click.option("--tag", default="", help="The images' tag; by default the version and a hash of what goes into them.")
@click.option("--shard-tasks", type=click.IntRange(min=1), default=2, show_default=True, help="Tasks of shard, side by side.")
@click.option(
    "--gpus",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="GPUs of train; sanity and each task of tune have one at most.",
)
@click.option("--retries", type=click.IntRange(min=0), default=0, show_default=True, help="Retries of train, tune and predict.")
@tasks_option
@workers_option
@click.option("--study-volume", default="", help="tuning: a claim that is mounted at /study, for study=/study/NAME.journal.")
@scheduling_options
def compile_command(
    name: str,
    output: Path | None,
    image: str,
    registry: str,
    tag: str,
    shard_tasks: int,
    gpus: int,
    retries: int,
    tasks: int,
    workers: int,
    study_volume: str,
    **scheduling: Any,
) -> None:
    """Write the YAML of the training pipeline, or of the one that is named."""
    from pipelines.compile import compile_batch, compile_monitoring, compile_training, compile_tuning
    from pipelines.images.build import digests
    from pipelines.images.contents import references, with_digests
    from pipelines.resources import Placement

    output = output or PIPELINES / f"{name}.yaml"
    with one_line_errors():
        if image and (registry or tag):
            raise UserError("--image is the whole reference: expected it without --registry and --tag")
        for option, text in (("--image", image), ("--study-volume", study_volume)):
            if text:
                parts(option, text)
        images = Placement(image or with_digests(references(registry, tag), digests()), read_scheduling(**scheduling))
        if name == "training":
            compile_training(output, images, shard_tasks=shard_tasks, gpus=gpus, retries=retries)
        elif name == "batch":
            compile_batch(output, images, tasks=tasks, retries=retries)
        elif name == "monitoring":
            compile_monitoring(output, images)
        else:
            compile_tuning(
                output, images, shard_tasks=shard_tasks, workers=workers, gpus=gpus, retries=retries, study_volume=study_volume
            )
    Console(soft_wrap=True, highlight=False).print(f"compiled {output}", markup=False)


@main.command()
@source_option
@pipeline_option
@preset_option
@settings_option
@click.option("--root", type=click.Path(path_type=Path), default=Path("build/run"), show_default=True, help="Artifacts and cache.")
def run(source: str, pipeline: Path | None, preset_name: str, settings: tuple[str, ...], root: Path) -> None:
    """Run the compiled pipeline on this machine; finished steps are reused."""
    from pipelines.compile import compile_training, default_image
    from pipelines.run import run_locally

    with one_line_errors():
        if not pipeline:
            pipeline = PIPELINE
            compile_training(pipeline, default_image())
        parameters = collect(source, str(root.absolute() / "models"), preset_name, settings, read_types(pipeline))
        _say(run_locally(pipeline, parameters, root))


@main.command()
@source_option
@preset_option
@settings_option
@click.option("--space", type=click.Path(path_type=Path), help="What is searched, as YAML; components/tune/space.yaml by default.")
@workers_option
@click.option("--root", type=click.Path(path_type=Path), default=Path("build/tune"), show_default=True, help="Artifacts and study.")
def tune(source: str, preset_name: str, settings: tuple[str, ...], space: Path | None, workers: int, root: Path) -> None:
    """Search train's settings on this machine, then train with the best; --set trials=20 trial_epochs=5 startup_trials=5.

    Run again, it goes on with the study.
    """
    from components.tune import space as spaces
    from pipelines.compile import compile_tuning, default_image
    from pipelines.run import run_locally

    with one_line_errors():
        pipeline = root / "tuning.yaml"
        compile_tuning(pipeline, default_image(), workers=workers)
        given = collect(source, str(root.absolute() / "models"), preset_name, settings, read_types(pipeline))
        parameters = {"study": str(root.absolute() / "study.journal"), **given, "space": spaces.load(space)}
        _say(run_locally(pipeline, parameters, root))


@main.command()
@click.argument("photos")
@click.option("--model", required=True, help="A published version, <repository>/<model>/<version>; a folder or gs://.")
@click.option("--output", required=True, help="Where predictions.parquet and summary.json go; a folder or gs://bucket/prefix.")
@tasks_option
@click.option("--chunk-photos", type=click.IntRange(min=1), default=1000, show_default=True, help="Photos a file of answers.")
@click.option("--root", type=click.Path(path_type=Path), default=Path("build/batch"), show_default=True, help="Artifacts and log.")
def batch(photos: str, model: str, output: str, tasks: int, chunk_photos: int, root: Path) -> None:
    """Answer all PHOTOS of a folder or gs://bucket/prefix on this machine.

    Run again after it was ended, it goes on where it was.
    """
    from components.predict.place import check_places
    from pipelines.compile import compile_batch, default_image
    from pipelines.run import run_pipeline

    with one_line_errors():
        check_places(model, output)
        pipeline = root / "batch.yaml"
        compile_batch(pipeline, default_image(), tasks=tasks)
        places = {
            name: place if "://" in place else str(Path(place).absolute())
            for name, place in (("photos", photos), ("model", model), ("output", output))
        }
        outputs, _, seconds = run_pipeline(pipeline, {**places, "chunk_photos": chunk_photos}, root)
        found = json.loads(Path(outputs["summary"].path).read_text("utf-8"))
        said = (
            f"{found['photos']} photos, {found['errors']} of them with an error; {found['photos_answered']} answered now, "
            f"{found['photos_per_s']} photos/s, all in {seconds:.0f} s\nanswers: {places['output'].rstrip('/')}/predictions.parquet"
        )
        Console(soft_wrap=True, highlight=False).print(said, markup=False)


@main.command()
@click.option("--source", default="toy://?classes=8&per_class=160&seed=1", show_default=True)
@preset_option
@settings_option
@click.option("--folder", type=click.Path(path_type=Path), default=Path("build/demo"), show_default=True)
@click.option("--containers", is_flag=True, help="Run steps, server and client in containers, with docker or podman.")
@click.option("--engine", default="", help="docker or podman; by default the first that works.")
@click.option("--base", default="", help="Base image for those images that have yet to be built.")
def demo(source: str, preset_name: str, settings: tuple[str, ...], folder: Path, containers: bool, engine: str, base: str) -> None:
    """Compile, run, serve and ask about three test photos; ends with the answers and summary.json."""
    from pipelines.demo import run_demo

    with one_line_errors():
        machine = None
        if (engine or base) and not containers:
            raise UserError("--engine and --base: expected with --containers alone, received without; add it or leave them out")
        if containers:
            from pipelines.demo_containers import Containers

            machine = Containers(engine, base)
        preset_name = preset_name or ("toy" if source.startswith("toy:") else "mini")
        run_demo(source, preset_name, list(settings), folder, machine)


def _say(result: "Result") -> None:
    reused = f", reused: {', '.join(result.reused)}" if result.reused else ""
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"{'blessed' if result.blessed else 'refused'} after {result.seconds:.0f} s{reused}")
    console.print(f"report: {result.evaluation / 'report.html'}")
    if result.tuning:
        console.print(f"trials: {result.tuning / 'page.html'}")


main.add_command(submit)

if __name__ == "__main__":
    main()
