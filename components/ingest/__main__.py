"""`python -m components.ingest run SOURCE OUTPUT` ingests a source; `... toy FOLDER` draws a toy set in Stanford's layout."""

import urllib.parse
from pathlib import Path
from typing import Any

import click

from components.common.errors import one_line_errors


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
@click.option("--max-source-bytes", type=int, help="Limit of a download and of what unpacks.  [default: 20 GiB]")
def run_command(source: str, output: Path, max_source_bytes: int | None, **settings: Any) -> None:
    with one_line_errors():
        from components.ingest.step import run

        if max_source_bytes is not None:
            settings["max_source_bytes"] = max_source_bytes
        run(source, output, **settings)


@main.command("toy", help="Draw a toy set into FOLDER, .mat files included.")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--classes", type=int, help="[default: 8]")
@click.option("--per-class", type=int, help="[default: 60]")
@click.option("--seed", type=int, help="[default: 1]")
def toy_command(folder: Path, **query: int | None) -> None:
    with one_line_errors():
        from components.ingest.toy.write import parse_query, write_toy

        write_toy(folder, parse_query("toy://?" + urllib.parse.urlencode({k: v for k, v in query.items() if v is not None})))


if __name__ == "__main__":
    main()
