"""One measurement in a process of its own; its last line of output is the result as JSON."""

import json
import os
import subprocess
import sys
from typing import Any

from components.common.errors import UserError
from tests.bench.rounds import ENVIRONMENT, ROOT


def run(module: str, *words: object) -> dict[str, Any]:
    """What `python -m tests.bench.serving.<module> WORDS` measured.

    Raises:
        UserError: it failed; its own words are on stderr.
    """
    command = [sys.executable, "-m", f"tests.bench.serving.{module}", *map(str, words)]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=os.environ | ENVIRONMENT)
    if ended.returncode:
        sys.stderr.write(ended.stderr)
        raise UserError(f"{module}: measuring it failed with status {ended.returncode}, see above")
    return json.loads(ended.stdout.splitlines()[-1])
