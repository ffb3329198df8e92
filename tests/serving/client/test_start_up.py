"""The client starts at once and stays small, whether or not TensorFlow is installed; it never imports it.

Memory is asserted as promised; times depend on what else the machine does, so here they only must not be absurd: `start_up.measure`
is for benchmarks.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
MAX_MB = 120
MAX_CPU_S = 2.0


@pytest.fixture
def car(tmp_path: Path, photo: Callable[..., bytes]) -> Path:
    path = tmp_path / "car.jpg"
    path.write_bytes(photo("red", (1024, 768)))
    return path


def in_fresh_process(code: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """Runs `code` where TensorFlow is not to be found; at its end it says on the last line what it weighs and what it imported."""
    lines = [
        "import sys",
        f"sys.path[:0] = [{str(Path(__file__).parent)!r}]",
        "import start_up, atexit, json",
        "sys.meta_path.insert(0, start_up.Absent())",
        "atexit.register(lambda: sys.stderr.write(json.dumps([start_up.peak_mb(), start_up.heavy_modules()])))",
        code,
    ]
    command = [sys.executable, "-c", "\n".join(lines), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)


@pytest.mark.parametrize("without", [[], ["--without-tensorflow"]])
def test_a_prediction(address: str, car: Path, without: list[str]) -> None:
    command = [sys.executable, str(Path(__file__).parent / "start_up.py"), address, str(car), *without]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert ended.returncode == 0, ended.stderr
    figures = json.loads(ended.stdout)
    assert figures["heavy"] == []
    assert figures["peak_mb"] < MAX_MB
    assert figures["cpu_s"] < MAX_CPU_S


@pytest.mark.parametrize("arguments", [["--help"], ["predict", "--help"], ["predict"], ["status"], ["bench"]])
def test_a_command(address: str, car: Path, arguments: list[str]) -> None:
    more = {"predict": [str(car), "--json"], "bench": ["--seconds", "0.2"]}
    if "--help" not in arguments:
        arguments = [*arguments, *more.get(arguments[0], []), "--server", address]
    ended = in_fresh_process("from serving.__main__ import main\nmain(prog_name='serving')", *arguments)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout
    peak_mb, heavy = json.loads(ended.stderr.splitlines()[-1])
    assert heavy == []
    assert peak_mb < MAX_MB


def test_everything_of_the_client_but_tensorflow() -> None:
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in sorted((ROOT / "serving" / "client").rglob("[a-z]*.py"))
    ]
    ended = in_fresh_process("from importlib import import_module\nfor name in sys.argv[1:]: import_module(name)", *modules)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stderr.splitlines()[-1])[1] == []
    assert len(modules) > 15
