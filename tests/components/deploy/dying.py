"""`python -m tests.components.deploy.dying FOLDER REPOSITORY SERVERS AT`: deploys, and is killed at a given point.

A point is a change of the repository's files, before which it is killed, or a line, after which; they are counted from 1. Within a
copy (which `test_step` breaks off) and within a removal one point is as another.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from components.deploy import step
from components.deploy.rollout import RolloutError
from components.deploy.trial import Limits

CHANGES = ("os.rename", "os.remove", "os.rmdir", "shutil.rmtree")
ENDED_WELL, SET_BACK = 0, 3


def main(folder: Path, repository: str, servers: str, at: int) -> int:
    seen = 0

    def count() -> None:
        nonlocal seen
        seen += 1
        if seen == at:
            os.kill(os.getpid(), signal.SIGKILL)

    def on_change(event: str, arguments: tuple[Any, ...]) -> None:
        if event in CHANGES and any(repository in str(argument) for argument in arguments):
            count()

    def say_and_count(line: str) -> None:
        say(line)
        count()

    sys.addaudithook(on_change)
    say, step._say = step._say, say_and_count
    try:
        given = [folder / name for name in ("model", "evaluation", "validation")]
        step.run(*given, repository, servers=servers, keep_versions=2, limits=Limits(load_s=60.0, watched=12), wait_s=60.0)
    except RolloutError:
        return SET_BACK
    return ENDED_WELL


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])))
