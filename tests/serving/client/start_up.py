"""What the client costs before and beside the server's work: run as a script in a fresh process, it says so as JSON.

    python tests/serving/client/start_up.py localhost:8500 car.jpg [--without-tensorflow]

import_s     until `serving.client.client` is imported
first_s      a first prediction: a connection made, the photo read, the answer understood
second_s     the same again: what the server itself needs, and little more
cpu_s        of this process for all of it, the interpreter's start included
peak_mb      the largest resident memory of this process
heavy        modules that should not be loaded, and are
"""

import importlib.abc
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HEAVY = ("tensorflow", "tensorflow_serving", "keras", "pandas", "google.cloud", "matplotlib", "kfp")


class Absent(importlib.abc.MetaPathFinder):
    """Makes TensorFlow and what comes with it as good as not installed."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        if fullname.split(".")[0] in ("tensorflow", "tensorflow_serving", "keras"):
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


def measure(address: str, photo: Path, *, without_tensorflow: bool = False) -> dict[str, Any]:
    """The figures above, of a fresh process."""
    command = [sys.executable, __file__, address, str(photo), *(["--without-tensorflow"] if without_tensorflow else [])]
    root = Path(__file__).resolve().parents[3]
    return json.loads(subprocess.run(command, capture_output=True, check=True, text=True, cwd=root).stdout)


def heavy_modules() -> list[str]:
    """Which of `HEAVY` this process has imported."""
    return [name for name in HEAVY if name in sys.modules]


def peak_mb() -> float:
    """Of this process alone: getrusage would count the parent that it was forked from."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def main(address: str, photo: Path) -> None:
    """Measures, and prints."""
    begin = time.perf_counter()
    from serving.client.client import Client

    imported = time.perf_counter()
    with Client(address) as client:
        client.predict([photo])
        first = time.perf_counter()
        client.predict([photo])
        second = time.perf_counter()
    figures = {"import_s": imported - begin, "first_s": first - imported, "second_s": second - first}
    figures |= {"cpu_s": time.process_time(), "peak_mb": peak_mb()}
    sys.stdout.write(json.dumps({name: round(value, 4) for name, value in figures.items()} | {"heavy": heavy_modules()}))


if __name__ == "__main__":
    if "--without-tensorflow" in sys.argv:
        sys.meta_path.insert(0, Absent())
    main(sys.argv[1], Path(sys.argv[2]))
