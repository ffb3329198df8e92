"""The images, built once and run as a cluster would run them. Only where MARQUE_CONTAINERS=1 asks for it: `make test-containers`.

MARQUE_BASE names another base image than the default, MARQUE_ENGINE docker or podman.
"""

import os
import subprocess
from collections.abc import Callable, Sequence

import pytest

from pipelines.images import engine as engines
from pipelines.images.build import build
from pipelines.images.contents import references

WANTED = os.environ.get("MARQUE_CONTAINERS") == "1"
BASE = os.environ.get("MARQUE_BASE", "")
NAMES = ("client", "data", "server", "trainer", "app")
# What a process in a container says of itself and of where it can write.
FACTS = """
import json, os, pathlib
status = dict(line.split(":\\t", 1) for line in pathlib.Path("/proc/self/status").read_text().splitlines() if ":\\t" in line)
def writes(path):
    try:
        pathlib.Path(path, "written").write_text("")
    except OSError:
        return False
    return True
places = ("/", "/opt/marque", "/opt/code", "/var/tmp", "/tmp")
facts = {"uid": os.getuid(), "gid": os.getgid(), "nnp": status["NoNewPrivs"].strip(), "writes": [p for p in places if writes(p)]}
print(json.dumps({**facts, "cap": status["CapEff"].strip(), "bounding": status["CapBnd"].strip()}))
"""
HARDENED = {"nnp": "1", "cap": "0" * 16, "bounding": "0" * 16, "writes": ["/tmp"]}
Run = Callable[..., subprocess.CompletedProcess[str]]


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("containers"):
            item.add_marker(pytest.mark.timeout(3000))
            if not WANTED:
                item.add_marker(pytest.mark.skip(reason="builds and runs images: make test-containers"))


@pytest.fixture(scope="session")
def engine() -> engines.Engine:
    return engines.find(os.environ.get("MARQUE_ENGINE", ""))


@pytest.fixture(scope="session")
def images(engine: engines.Engine) -> dict[str, str]:
    names = {name: reference for name, reference in references().items() if name in NAMES}
    build(engine, names, BASE)
    return names


@pytest.fixture(scope="session")
def run(engine: engines.Engine, images: dict[str, str]) -> Run:
    """Runs a command in an image, hardened and without a network."""

    def run(name: str, *command: str, flags: Sequence[str] = ("--network=none",)) -> subprocess.CompletedProcess[str]:
        words = [engine.name, "run", "--rm", *engine.hardened, *flags, "--entrypoint", command[0], images[name], *command[1:]]
        return subprocess.run(words, check=False, capture_output=True, text=True)

    return run
