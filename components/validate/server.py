"""A server of one's own: a fresh process of the embedded server on a free port, gone when the work is done, whatever happens."""

import contextlib
import ctypes
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.common.errors import REASON_PREFIX, UserError

POLL_S = 0.02
PR_SET_PDEATHSIG = 1
# Loaded here: a child of a process with threads must not load anything before it is another program.
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Process:
    """A running server: where it answers, and the file with what it says."""

    address: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def peak_memory_mb(self) -> float | None:
        """The most memory that was resident, in MB; None where the system does not tell (no /proc)."""
        try:
            status = Path(f"/proc/{self.process.pid}/status").read_text("utf-8")
        except OSError:
            return None
        return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM:")), None)


class NotStartedError(UserError):
    """The server ended, or did not answer in time; the message is what it said last."""


@contextlib.contextmanager
def serving(arguments: Sequence[str], until: float, log: Path | None = None) -> Iterator[Process]:
    """Runs `python -m serving serve` with `arguments` on a free port, without REST.

    Args:
        arguments: what to serve.
        until: the time of `time.monotonic()` by which it has to answer.
        log: the file for what it says; a temporary one where None.

    Raises:
        NotStartedError: it did not.
    """
    with tempfile.TemporaryDirectory() as scratch:
        port_file, log = Path(scratch) / "port", log or Path(scratch) / "log"
        command = [sys.executable, "-m", "serving", "serve", *arguments, "--rest-port=-1", "--port=0", f"--port-file={port_file}"]
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, preexec_fn=_end_with_parent)
        try:
            while not port_file.exists():
                if process.poll() is not None:
                    raise NotStartedError(_last_words(log) or f"the server ended with status {process.returncode}")
                if time.monotonic() > until:
                    raise NotStartedError("it did not answer in time")
                time.sleep(POLL_S)
            yield Process(f"localhost:{port_file.read_text('utf-8').strip()}", process, log)
        finally:
            process.kill()
            process.wait()


def _end_with_parent() -> None:
    """Runs in the child: the kernel ends it when this process is killed, which no `finally` sees (prctl(2), Linux)."""
    if _LIBC is not None:
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _last_words(log: Path) -> str:
    lines = [line.strip() for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
    return next((line.removeprefix(REASON_PREFIX) for line in reversed(lines) if line.startswith(REASON_PREFIX)), "") or (
        lines[-1] if lines else ""
    )
