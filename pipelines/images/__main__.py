"""`python -m pipelines.images build | push | names | sbom`."""

import json
import time
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from components.common.errors import UserError, one_line_errors
from pipelines.images import engine as engines
from pipelines.images.build import build, push, recall
from pipelines.images.contents import IMAGES, references
from pipelines.images.sbom import write_sbom
from pipelines.signals import signals_end_it

# CUDA's libraries alone are 3 GB: who wants that image names it.
USUAL = [name for name in IMAGES if name != "trainer-gpu"]
names_argument = click.argument("names", nargs=-1, type=click.Choice(list(IMAGES)), metavar="[IMAGE]...")
registry_option = click.option("--registry", default="", help="Where the images are pushed to, host/path; this machine by default.")
tag_option = click.option("--tag", default="", help="By default the version and a hash of all that goes into the image.")
engine_option = click.option("--engine", default="", help="docker or podman; by default the first that works.")


@click.group()
def main() -> None:
    """Build, push and list the images; of all but trainer-gpu where no IMAGE is named."""


@main.command("build")
@names_argument
@registry_option
@tag_option
@engine_option
@click.option("--base", default="", help="Another base image with Python 3.11, pip and venv.")
@click.option("--cache/--no-cache", default=True, show_default=True, help="Use layers of earlier builds.")
def build_command(names: tuple[str, ...], registry: str, tag: str, engine: str, base: str, cache: bool) -> None:
    """Build the images, and show their sizes."""
    console = Console(soft_wrap=True, highlight=False)
    with one_line_errors(), signals_end_it():
        found = engines.find(engine)
        table = Table("image", "MB", "seconds", box=None)
        for name, reference in _chosen(names, registry, tag).items():
            console.print(f"building {reference} with {found.name}")
            began = time.monotonic()
            build(found, {name: reference}, base, cache)
            table.add_row(reference, f"{recall()[reference]['bytes'] / 1e6:.0f}", f"{time.monotonic() - began:.0f}")
        console.print(table)


@main.command("push")
@names_argument
@registry_option
@tag_option
@engine_option
def push_command(names: tuple[str, ...], registry: str, tag: str, engine: str) -> None:
    """Push what was built, to REGISTRY; compile then names the images by their digests."""
    with one_line_errors(), signals_end_it():
        if not registry:
            raise UserError("registry: expected where to push to, such as REGISTRY=registry.example/you, received nothing")
        push(engines.find(engine), _chosen(names, registry, tag).values())


@main.command("names")
@names_argument
@registry_option
@tag_option
def names_command(names: tuple[str, ...], registry: str, tag: str) -> None:
    """Print the images' references as JSON."""
    with one_line_errors():
        click.echo(json.dumps(_chosen(names, registry, tag), indent=1))


@main.command("sbom")
@names_argument
@click.option("--folder", type=click.Path(path_type=Path), default=Path("build/sbom"), show_default=True)
def sbom_command(names: tuple[str, ...], folder: Path) -> None:
    """Write what each image's lock installs, as CycloneDX JSON; of trainer-gpu too where no IMAGE is named."""
    with one_line_errors():
        for name in names or IMAGES:
            click.echo(f"wrote {write_sbom(name, folder)}")


def _chosen(names: tuple[str, ...], registry: str, tag: str) -> dict[str, str]:
    return {name: reference for name, reference in references(registry, tag).items() if name in (names or USUAL)}


if __name__ == "__main__":
    main(prog_name="python -m pipelines.images")
