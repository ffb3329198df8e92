"""The compiled pipeline in its containers, from photos to the client's answers; a step that fails, and a trainer that is killed."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.images.engine import USER, Engine
from tests.containers.conftest import FACTS, HARDENED

pytestmark = pytest.mark.containers
SOURCE = "toy://?classes=2&per_class=15&seed=1"
DEADLINE_S = 900.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "demo"


def start(folder: Path, *settings: str, source: str = SOURCE) -> "subprocess.Popen[str]":
    words = ["demo", "--containers", f"--source={source}", "--preset=smoke", f"--folder={folder}", *settings]
    environment = {**os.environ, "COLUMNS": "120"}
    command = [sys.executable, "-m", "pipelines", *words]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )


def finish(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    said, wrong = process.communicate(timeout=DEADLINE_S)
    return process.returncode, said, wrong


def steps_of(engine: Engine, image: str) -> list[str]:
    """Ids of running containers of a step."""
    return engine.read("ps", "--quiet", "--filter=label=marque.run", f"--filter=ancestor={image}").split()


@pytest.mark.usefixtures("images")
def test_ends_with_the_table_of_predictions(engine: Engine, folder: Path) -> None:
    status, said, wrong = finish(start(folder))
    assert status == 0, said + wrong
    for step in ("ingest", "shard", "train", "export", "evaluate", "validate", "deploy"):
        assert re.search(rf"\+ {step}.*: done", said), said
    table = said[said.rindex("done in") :]
    assert re.search(r"Photo +Car +Score +Box", table), said
    assert len(re.findall(r"\.jpg .* \d+\.\d% +-?\d+ -?\d+ -?\d+ -?\d+", table)) == 3, said
    answers = list((folder / "answers").glob("*.jpg"))
    assert len(answers) == 3
    assert {path.stat().st_uid for path in answers} == {USER if os.getuid() == 0 else os.getuid()}
    assert not engine.read("ps", "--all", "--quiet", "--filter=label=marque.run")

    status, said, wrong = finish(start(folder))
    assert status == 0, said + wrong
    assert "reused: ingest" in said


@pytest.mark.usefixtures("images")
def test_a_step_that_fails_says_why_and_the_run_ends_with_an_error(folder: Path, tmp_path: Path) -> None:
    empty = tmp_path / "no photos"
    empty.mkdir()
    status, said, wrong = finish(start(folder, source=str(empty)))
    assert status == 1
    assert len(wrong.strip().splitlines()) == 1, wrong
    assert wrong.startswith(f"marque: error: {empty}")
    assert "x ingest: failed" in said


@pytest.mark.usefixtures("images")
def test_a_run_that_is_ended_leaves_no_container(engine: Engine, folder: Path) -> None:
    process = start(folder, source="toy://?classes=196&per_class=200&seed=1")
    deadline = time.monotonic() + DEADLINE_S
    while not engine.read("ps", "--quiet", "--filter=label=marque.run"):
        assert process.poll() is None, finish(process)
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGTERM)
    status, said, wrong = finish(process)
    assert status == 128 + signal.SIGTERM, said + wrong
    assert "Traceback" not in wrong
    assert not engine.read("ps", "--all", "--quiet", "--filter=label=marque.run")


def test_a_killed_trainer_goes_on_from_its_checkpoint(engine: Engine, images: dict[str, str], folder: Path) -> None:
    long = ("--set", "epochs=60")
    first = start(folder, *long)
    deadline = time.monotonic() + DEADLINE_S
    while not any((folder / "checkpoints").rglob("checkpoint.npz")):
        assert first.poll() is None, finish(first)
        assert time.monotonic() < deadline
        time.sleep(0.1)
    [container] = steps_of(engine, images["trainer"])
    facts = json.loads(engine.read("exec", container, "python3", "-c", FACTS))
    # podman gives containers that its API starts a /var/tmp of their own
    facts["writes"] = [place for place in facts["writes"] if place != "/var/tmp"]
    user, group = (USER, USER) if os.getuid() == 0 else (os.getuid(), os.getgid())
    assert facts == {**HARDENED, "uid": user, "gid": group}
    engine.run("kill", f"--signal={signal.SIGKILL.value}", container, quiet=True)
    status, said, wrong = finish(first)
    assert status == 1, said
    assert "x train: failed" in said
    assert len(wrong.strip().splitlines()) == 1, wrong

    status, said, wrong = finish(start(folder, *long))
    assert status == 0, said + wrong
    assert "going on after step" in said
    assert "reused: ingest" in said
