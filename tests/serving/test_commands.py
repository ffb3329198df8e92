"""`python -m serving` where only a part of it is installed, and where it is told to end before it has begun."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 60
# An editable install would still find the rest of this checkout.
ALONE = """
import runpy, sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in str(finder).lower()]
runpy.run_module("serving", run_name="__main__")
"""


@pytest.fixture
def client_alone(tmp_path: Path) -> Path:
    """The code that the client's image holds."""
    for part in ("components/__init__.py", "components/common", "serving/__init__.py", "serving/__main__.py", "serving/client"):
        target = tmp_path / part
        target.parent.mkdir(exist_ok=True)
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(ROOT / part, target)
    return tmp_path


def test_the_client_without_the_server(client_alone: Path) -> None:
    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-c", ALONE, *words], cwd=client_alone, env={}, capture_output=True, text=True, timeout=DEADLINE_S
        )

    helped = run("--help")
    assert (helped.returncode, helped.stderr) == (0, "")
    assert [line.split()[0] for line in helped.stdout.partition("Commands:")[2].splitlines() if line] == [
        "predict",
        "status",
        "label",
        "bench",
    ]
    refused = run("serve", "--help")
    assert (refused.returncode, "Error: serve is not installed here; the server's image has it." in refused.stderr) == (2, True)


def test_told_to_end_before_it_has_begun(tmp_path: Path) -> None:
    """As the first process of a container, which no signal ends that it does not handle."""
    command = [sys.executable, "-m", "serving", "serve", "--repository", str(tmp_path), "--port", "0", "--rest-port", "-1"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + DEADLINE_S
        while not handles(process.pid, signal.SIGTERM):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, said) == (128 + signal.SIGTERM, ("", ""))


def handles(pid: int, number: signal.Signals) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(caught >> (number - 1) & 1)
