"""`python -m components.monitor LOGS --model VERSION` checks recent requests for drift.

Ends with 0 where nothing has drifted or there were too few requests to tell (it says which), with 2 where something has, and with 1
on an error, wrong use included.
"""

import sys
from pathlib import Path

import click
from rich.console import Console

from components.common.errors import one_line_errors
from components.common.quiet import quiet_tensorflow
from components.common.settings import pairs

DRIFTED = 2


@click.command(help=__doc__)
@click.argument("logs")
@click.option("--model", required=True, help="The version that answered, <repository>/<model>/<version>; a folder or gs://.")
@click.option("--records", multiple=True, help="A folder of shard, or gs://: the training photos; repeatable.")
@click.option("--output", type=click.Path(path_type=Path), default=Path("build/drift"), show_default=True)
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="What a drift is, such as min_photos=500; repeatable.")
def main(logs: str, model: str, records: tuple[str, ...], output: Path, settings: tuple[str, ...]) -> None:
    with quiet_tensorflow():
        from components.monitor.step import PAGE, run
        from components.monitor.verdict import Demands

    with one_line_errors():
        found = run(logs, model, records, output, demands=Demands.of(pairs(settings)))
        said = f"{found['verdict']}: {' '.join(found['reasons'])}\npage: {output / PAGE}"
        Console(soft_wrap=True, highlight=False).print(said, markup=False)
        if damaged := found["damaged"]:
            first = f"{damaged[0]['file']}: {damaged[0]['reason']}"
            sys.stderr.write(f"marque: warning: {len(damaged)} damaged log file(s), what comes before the damage counts; {first}\n")
    if found["drift"]:
        sys.exit(DRIFTED)


if __name__ == "__main__":
    try:
        main(standalone_mode=False)
    except click.ClickException as error:  # click itself would end with 2
        error.show()
        sys.exit(1)
    except click.Abort:
        sys.exit(1)
