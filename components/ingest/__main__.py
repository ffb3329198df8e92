"""`python -m components.ingest run SOURCE OUTPUT` ingests a source; `... toy FOLDER` draws a toy set in Stanford's layout."""

from pathlib import Path

import click

from components.common.errors import one_line_errors
from components.ingest.step import MAX_SOURCE_BYTES, run
from components.ingest.toy.write import ToyQuery, parse_query, write_toy


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command("run", help="Ingest SOURCE (a folder, an archive, gs://, https:// or toy://) into the dataset folder OUTPUT.")
@click.argument("source")
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--seed", default=0, show_default=True, help="Seed of the validation split.")
@click.option("--validation-share", default=0.15, show_default=True, help="Share of the train photos.")
@click.option("--max-rejected-share", default=0.05, show_default=True, help="Fail when more of the photos are set aside.")
@click.option("--sha256", default="", help="Expected SHA-256 of a source that is one archive.")
@click.option("--max-source-bytes", default=MAX_SOURCE_BYTES, show_default=True, help="Limit of a download and of what unpacks.")
def run_command(
    source: str, output: Path, seed: int, validation_share: float, max_rejected_share: float, sha256: str, max_source_bytes: int
) -> None:
    with one_line_errors():
        run(
            source,
            output,
            seed=seed,
            validation_share=validation_share,
            max_rejected_share=max_rejected_share,
            sha256=sha256,
            max_source_bytes=max_source_bytes,
        )


@main.command("toy", help="Draw a toy set into FOLDER, .mat files included.")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--classes", default=ToyQuery.classes, show_default=True)
@click.option("--per-class", default=ToyQuery.per_class, show_default=True)
@click.option("--seed", default=ToyQuery.seed, show_default=True)
def toy_command(folder: Path, classes: int, per_class: int, seed: int) -> None:
    with one_line_errors():
        write_toy(folder, parse_query(f"toy://?classes={classes}&per_class={per_class}&seed={seed}"))


if __name__ == "__main__":
    main()
