"""The embedded server as a process of its own, as a user starts it; its memory is watched while it runs."""

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from components.common.errors import UserError

START_S = 120.0
LOOK_EVERY_S = 0.05
KB_PER_MB = 1024


@dataclass
class ServerProcess:
    """`address` answers gRPC; `resident_mb` is the memory held at each look, with `looked_at` in seconds of time.monotonic."""

    address: str
    process: "subprocess.Popen[bytes]"
    looked_at: list[float] = field(default_factory=list)
    resident_mb: list[float] = field(default_factory=list)

    def watch(self, stopped: threading.Event) -> None:
        """Looks at the memory until `stopped`."""
        status = Path(f"/proc/{self.process.pid}/status")
        while not stopped.wait(LOOK_EVERY_S):
            line = next((line for line in status.read_text().splitlines() if line.startswith("VmRSS")), "")
            if line:
                self.looked_at.append(time.monotonic())
                self.resident_mb.append(int(line.split()[1]) / KB_PER_MB)


@contextmanager
def serving(*flags: str) -> Iterator[ServerProcess]:
    """`python -m serving serve` with `flags`, on a free port.

    Raises:
        UserError: it did not start, or ended before it was told to.
    """
    with tempfile.TemporaryDirectory() as scratch, (Path(scratch) / "log").open("w+b") as log:
        port_file = Path(scratch) / "port"
        command = [sys.executable, "-m", "serving", "serve", *flags, "--port=0", f"--port-file={port_file}"]
        with subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT) as process:
            stopped = threading.Event()
            try:
                deadline = time.monotonic() + START_S
                while not port_file.exists():
                    if process.poll() is not None or time.monotonic() > deadline:
                        log.seek(0)
                        raise UserError(f"the server did not start: {log.read().decode('utf-8', 'replace')}")
                    time.sleep(LOOK_EVERY_S)
                server = ServerProcess(f"localhost:{port_file.read_text().strip()}", process)
                watcher = threading.Thread(target=server.watch, args=(stopped,), daemon=True)
                watcher.start()
                yield server
                if process.poll() is not None:
                    raise UserError(f"the server ended with status {process.returncode} while it was measured")
                stopped.set()
                watcher.join()
            finally:
                stopped.set()
                process.terminate()
