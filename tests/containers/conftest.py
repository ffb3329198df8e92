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
