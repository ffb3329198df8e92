"""Which engine is taken, what it is asked and blamed for: tried on commands of its name that only say what it would."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from components.common.errors import UserError
from pipelines.images import build
from pipelines.images.engine import Engine, find

Command = Callable[[str, str], None]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Makes a command of a Python body, in which `words` are those given; no other command is found."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def make(name: str, body: str) -> None:
        path = folder / name
        path.write_text(f"#!{sys.executable} -SsE\nimport sys\nwords = sys.argv[1:]\n{body}\n", "utf-8")
        path.chmod(0o755)

    return make


def test_another_name_is_refused() -> None:
    with pytest.raises(UserError, match="engine: expected docker or podman, received 'nonesuch'"):
        find("nonesuch")


def test_what_is_wrong_with_each_is_told(command: Command) -> None:
    command("docker", "sys.exit('permission denied at its socket')")
    with pytest.raises(
        UserError, match="expected docker or podman to work here; docker: permission denied .*; podman: not installed"
    ):
        find()
    with pytest.raises(UserError, match="expected podman to work here; podman: not installed"):
        find("podman")


def test_the_first_that_works_is_taken(command: Command) -> None:
    command("podman", "")
    assert find() == Engine("podman")
    command("docker", "print('Docker version 28.2.2')")
    assert find() == Engine("docker")
    assert find("podman") == Engine("podman")


def test_podman_that_goes_by_the_name_of_docker_is_podman(command: Command) -> None:
    for name in ("docker", "podman"):
        command(name, "print('podman version 4.3.1')")
    assert find() == Engine("podman")


def test_docker_is_asked_at_the_address_of_its_context(command: Command) -> None:
    command("docker", "print('unix:///run/user/1000/docker.sock' if words[:2] == ['context', 'inspect'] else '')")
    with Engine("docker").api() as address:
        assert address == "unix:///run/user/1000/docker.sock"


def test_ctrl_c_does_not_reach_podmans_service(command: Command) -> None:
    # its socket is a file that tells its session
    body = "import os, time\npath = words[-1].removeprefix('unix://')\nopen(path + '.new', 'w').write(str(os.getsid(0)))"
    command("podman", f"{body}\nos.rename(path + '.new', path)\ntime.sleep(60)")
    with Engine("podman").api() as address:
        assert int(Path(address.removeprefix("unix://")).read_text()) != os.getsid(0)


def test_a_service_that_does_not_start_is_one_line(command: Command) -> None:
    command("podman", "sys.exit('no space\\nleft')")
    with pytest.raises(UserError, match="^podman's service did not start: no space left$"), Engine("podman").api():
        pass


def test_nothing_is_pushed_where_one_is_not_built(command: Command) -> None:
    command("podman", "sys.exit('pushed' if words[0] == 'push' else words[-1] == 'r/marque-data:1')")
    with pytest.raises(UserError, match="r/marque-data:1: expected an image in podman, found none; first: make images"):
        build.push(Engine("podman"), ["r/marque-client:1", "r/marque-data:1"])


@pytest.mark.parametrize("registry", ["registry.test:5000/you", "its.own/you"])
def test_the_digest_is_that_of_the_repository(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: str
) -> None:
    monkeypatch.setattr(build, "MADE", tmp_path / "images.json")
    known = ["you/marque-data@sha256:ab", "marque-data@sha256:00", "registry.test:5000/you/marque-data@sha256:cd"]
    command("docker", f"print({json.dumps(known)!r})")
    reference = f"{registry}/marque-data:v1"
    build.push(Engine("docker"), [reference])
    assert build.digests() == {reference: "sha256:cd" if registry.startswith("registry") else "sha256:ab"}


def test_rootless_docker_calls_us_root(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.setattr(os, "getgid", lambda: 1000)
    command("docker", "print('[name=seccomp,profile=builtin name=cgroupns]')")
    assert Engine("docker").user_flags == ["--user=1000:1000"]
    command("docker", "print('[name=seccomp,profile=builtin name=rootless name=cgroupns]')")
    assert Engine("docker").user_flags == ["--user=0:0"]
    assert Engine("podman").user_flags == ["--user=1000:1000", "--userns=keep-id"]
