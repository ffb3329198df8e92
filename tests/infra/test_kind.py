"""The scripts of infra/kind with stand-ins for kind, kubectl, make and the engine: run again, interrupted, run wrongly."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from .conftest import INFRA

STAND_IN = """#!/bin/sh
echo "$(basename "$0") $*" >>"$STATE/calls"
case "$(basename "$0") $*" in
"docker inspect"*) [ -e "$STATE/registry" ] && echo true ;;
"docker run --detach"*) touch "$STATE/registry" ;;
"docker rm"*) rm -f "$STATE/registry" ;;
"docker exec -i"*) cat >/dev/null ;;
"kind get clusters") [ ! -e "$STATE/cluster" ] || echo marque ;;
"kind get nodes"*) echo marque-control-plane ;;
"kind create"*) cat >"$STATE/config"; touch "$STATE/cluster"; [ -z "$INTERRUPTED" ] || kill -KILL $PPID ;;
"kind delete"*) rm -f "$STATE/cluster" ;;
esac
"""


@dataclass(frozen=True)
class Laptop:
    """A copy of the scripts, a PATH with the stand-ins, and a folder of models."""

    root: Path

    @property
    def data(self) -> Path:
        return self.root / "my & models"

    def run(self, script: str, *arguments: str, without: str = "", interrupted: bool = False) -> subprocess.CompletedProcess[str]:
        tools = self.root / "bin"
        shutil.rmtree(tools, ignore_errors=True)
        tools.mkdir()
        for name in {"kind", "kubectl", "make", "docker", "git"} - {without}:
            (tools / name).write_text(STAND_IN)
            (tools / name).chmod(0o755)
        for name in ("bash", "sh", "realpath", "dirname", "basename", "grep", "cat", "mkdir", "chown", "chmod", "touch", "rm"):
            (tools / name).symlink_to(shutil.which(name) or name)
        environment = {
            "PATH": str(tools), "STATE": str(self.root), "MARQUE_DATA": "my & models", "INTERRUPTED": "yes" if interrupted else "",
        }  # fmt: skip
        command = ["bash", self.root / "infra/kind" / script, *arguments]
        return subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True, timeout=60)

    def calls(self, beginning: str) -> list[str]:
        """What has been called since the last look."""
        made = (self.root / "calls").read_text().splitlines()
        (self.root / "calls").write_text("")
        return [call for call in made if call.startswith(beginning)]


@pytest.fixture
def laptop(tmp_path: Path) -> Laptop:
    shutil.copytree(INFRA / "kind", tmp_path / "infra/kind")
    return Laptop(tmp_path)


def test_a_second_run_makes_nothing_twice(laptop: Laptop) -> None:
    first = laptop.run("up.sh")
    assert first.returncode == 0, first.stderr
    calls = laptop.calls("")
    assert [call for call in calls if call.startswith("kind create")]
    assert [call for call in calls if call.startswith("docker run")]
    [mount] = yaml.safe_load((laptop.root / "config").read_text())["nodes"][0]["extraMounts"]
    assert mount["hostPath"] == str(laptop.data)
    assert laptop.run("up.sh").returncode == 0
    again = laptop.calls("")
    assert not [call for call in again if call.startswith(("kind create", "kind delete", "docker run", "docker rm"))]
    assert [call for call in again if call.startswith("make") and " push " in call]


def test_a_cluster_that_was_interrupted_is_made_anew(laptop: Laptop) -> None:
    assert laptop.run("up.sh", interrupted=True).returncode != 0
    assert not laptop.calls("kubectl")
    assert (laptop.root / "cluster").exists()
    assert laptop.run("up.sh").returncode == 0
    assert [call.split()[1] for call in laptop.calls("kind") if call.split()[1] in ("create", "delete")] == ["delete", "create"]
    assert laptop.run("up.sh").returncode == 0
    assert not laptop.calls("kind delete")


def test_down_removes_models_only_where_it_is_told_to(laptop: Laptop) -> None:
    assert laptop.run("up.sh").returncode == 0
    assert laptop.run("down.sh").returncode == 0
    assert not (laptop.root / "cluster").exists()
    assert not (laptop.root / "registry").exists()
    assert not laptop.calls("docker run --rm")
    assert laptop.run("down.sh", "--data").returncode == 0
    [removal] = laptop.calls("docker run --rm")
    assert f"--volume {laptop.data}:/data --entrypoint rm" in removal


@pytest.mark.parametrize(
    ("script", "arguments", "without", "error"),
    [
        ("up.sh", (), "kind", "expected the command kind (https://kind.sigs.k8s.io, v"),
        ("up.sh", (), "git", "expected the command git ("),
        ("up.sh", (), "docker", "expected docker or podman, running"),
        ("down.sh", ("--dat",), "", "expected --data or nothing, received --dat"),
        ("test.sh", (), "kubectl", "expected the command kubectl ("),
    ],
)
def test_what_is_wrong_is_one_line(laptop: Laptop, script: str, arguments: tuple[str, ...], without: str, error: str) -> None:
    run = laptop.run(script, *arguments, without=without)
    assert run.returncode == 1
    assert run.stderr.startswith(f"marque: error: {error}")
    assert run.stderr.count("\n") == 1
