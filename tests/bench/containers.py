"""`python -m tests.bench.containers`: how large the images are and how soon they answer, in build/bench-containers.json.

A start is all of it: the engine makes the container, Python starts, the command prints its help, the container is removed. Python's
own part is measured inside. Starts of all images take turns, so that what disturbs the machine disturbs all alike.
"""

import statistics
import time
from collections.abc import Mapping

import click
from rich.console import Console
from rich.table import Table

from components.common.errors import UserError, one_line_errors
from components.common.progress import track
from pipelines.images.__main__ import USUAL
from pipelines.images.contents import ROOT, references
from pipelines.images.engine import Engine, find
from tests.bench import report

RESULT = ROOT / "build" / "bench-containers.json"
COMMANDS = {
    "client": ("-m", "serving", "predict", "--help"),
    "data": ("-m", "components.ingest", "--help"),
}
HELP_S = 1.5
INSIDE = """
import subprocess, sys, time
began = time.monotonic()
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(time.monotonic() - began)
"""


@click.command()
@click.option("--starts", type=click.IntRange(1), default=20, show_default=True, help="Of each image.")
def main(starts: int) -> None:
    """Measures the images that `make images` has built."""
    with one_line_errors():
        engine = find()
        result = measure(engine, references(), starts)
        report.write(result, RESULT)
        show(result)


def measure(engine: Engine, names: Mapping[str, str], starts: int) -> dict[str, dict[str, float]]:
    """Of each image its size in MB, and of those with a command seconds to its help: median and quickest start, Python's median.

    Raises:
        UserError: an image is not built.
    """
    result = {}
    for image in USUAL:
        if not engine.succeeds("image", "inspect", names[image]):
            raise UserError(f"{names[image]}: not built; run make images")
        result[image] = {"mb": int(engine.read("image", "inspect", "--format={{.Size}}", names[image])) / 1e6}
    took: dict[str, list[float]] = {image: [] for image in COMMANDS}
    inside: dict[str, list[float]] = {image: [] for image in COMMANDS}
    for image in track([image for _ in range(starts) for image in COMMANDS], "starting containers"):
        words = ("run", "--rm", *engine.hardened, "--network=none", "--entrypoint=python3", names[image])
        began = time.monotonic()
        engine.read(*words, *COMMANDS[image])
        took[image].append(time.monotonic() - began)
        inside[image].append(float(engine.read(*words, "-c", INSIDE, "python3", *COMMANDS[image])))
    for image in COMMANDS:
        result[image] |= {
            "help_s": statistics.median(took[image]),
            "quickest_s": min(took[image]),
            "python_s": statistics.median(inside[image]),
        }
    return result


def show(result: Mapping[str, Mapping[str, float]]) -> None:
    """Prints the table."""
    table = Table("image", *("MB", f"help, s (<= {HELP_S})", "quickest, s", "Python's part, s"))
    for image, figures in result.items():
        seconds = [f"{figures[name]:.2f}" if name in figures else "" for name in ("help_s", "quickest_s", "python_s")]
        table.add_row(image, f"{figures['mb']:,.0f}", *seconds)
    Console().print(table)


if __name__ == "__main__":
    main()
