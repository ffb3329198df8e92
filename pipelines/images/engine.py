"""docker or podman, whichever works here; all commands are lists of words, never a shell's text."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from components.common.errors import UserError

NAMES = ("docker", "podman")
SOCKET_S = 30.0
USER = 10001
# SELinux would refuse a container the folders that are mounted into it; to relabel a user's photos is not for us.
SECURITY = ("no-new-privileges", "label=disable")


@dataclass(frozen=True)
class Engine:
    """`name` is docker or podman."""

    name: str

    def run(self, *words: str, quiet: bool = False) -> None:
        """Runs a command, its output on ours; `quiet` keeps what it says on stdout. It ends where we are told to.

        Raises:
            UserError: it failed; it has said why on stderr.
        """
        with subprocess.Popen([self.name, *words], stdout=subprocess.DEVNULL if quiet else None) as process:
            try:
                failed = process.wait()
            except BaseException:
                process.terminate()
                raise
        if failed:
            raise UserError(f"`{self.name} {words[0]}` failed; its reason stands above")

    def read(self, *words: str) -> str:
        """What a command says on stdout.

        Raises:
            UserError: it failed.
        """
        done = subprocess.run([self.name, *words], check=False, capture_output=True, text=True)
        if done.returncode:
            raise UserError(f"`{self.name} {' '.join(words)}` failed: {done.stderr.strip()}")
        return done.stdout.strip()

    def succeeds(self, *words: str) -> bool:
        """Whether a command ends with status 0."""
        return not subprocess.run([self.name, *words], check=False, capture_output=True).returncode

    @property
    def hardened(self) -> list[str]:
        """Flags of every container of ours: no privilege, and nothing to write to but /tmp and what is mounted."""
        flags = ["--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", *(f"--security-opt={option}" for option in SECURITY)]
        return [*flags, "--read-only-tmpfs=false"] if self.name == "podman" else flags

    @property
    def user(self) -> dict[str, str]:
        """Who a container that writes into a folder of ours runs as, in the API's words: as root, the images' own user, to whom
        `hand_over` gives the folder; else who we are, whom rootless docker calls 0."""
        if os.getuid() == 0:
            return {"user": f"{USER}:{USER}"}
        if self.name == "docker" and "name=rootless" in self.read("info", "--format={{.SecurityOptions}}"):
            return {"user": "0:0"}
        return {"user": f"{os.getuid()}:{os.getgid()}", **({"userns_mode": "keep-id"} if self.name == "podman" else {})}

    @property
    def user_flags(self) -> list[str]:
        """The same as flags."""
        return [f"--{name.removesuffix('_mode')}={value}" for name, value in self.user.items()]

    def logs(self, container: str) -> str:
        """All that a container has said, on stdout and stderr."""
        done = subprocess.run(
            [self.name, "logs", container], check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        return done.stdout.strip()

    @contextmanager
    def api(self) -> Iterator[str]:
        """The address of its Docker API while the body runs, for DOCKER_HOST.

        Raises:
            UserError: podman's service did not start, or docker knows no address.
        """
        if self.name == "docker":
            yield self.read("context", "inspect", "--format={{.Endpoints.docker.Host}}")
            return
        with tempfile.TemporaryDirectory(prefix="marque-podman-") as scratch:
            socket = Path(scratch, "podman.sock")
            command = ["podman", "system", "service", "--time=0", f"unix://{socket}"]
            with (
                Path(scratch, "log").open("w+") as log,
                # in a session of its own, so that Ctrl-C leaves it to us: it is needed to remove the containers
                subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True) as service,
            ):
                try:
                    deadline = time.monotonic() + SOCKET_S
                    while not socket.exists():
                        if service.poll() is not None or time.monotonic() > deadline:
                            log.seek(0)
                            raise UserError(f"podman's service did not start: {log.read().strip()}")
                        time.sleep(0.05)
                    yield f"unix://{socket}"
                finally:
                    service.terminate()


def find(name: str = "") -> Engine:
    """The engine of that name, or the first that works.

    Raises:
        UserError: another name, or none works; with what is wrong with each.
    """
    if name and name not in NAMES:
        raise UserError(f"engine: expected {' or '.join(NAMES)}, received {name!r}")
    wrong = []
    for each in (name,) if name else NAMES:
        if not (reason := _what_is_wrong(each)):
            return Engine(each)
        wrong.append(f"{each}: {reason}")
    raise UserError(f"expected {name or ' or '.join(NAMES)} to work here; {'; '.join(wrong)}; in Debian: apt install podman")


def _what_is_wrong(name: str) -> str:
    if not shutil.which(name):
        return "not installed"
    done = subprocess.run([name, "info"], check=False, capture_output=True, text=True)
    if done.returncode:
        return done.stderr.strip() or f"`{name} info` failed"
    # Debian's podman-docker
    return "is podman by another name" if name == "docker" and "podman" in Engine(name).read("--version") else ""


def hand_over(folder: Path) -> None:
    """Gives `folder`, made where it is missing, and all in it to the images' user, where we are root and would else be the only one
    to write there."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.getuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, USER, USER, follow_symlinks=False)
