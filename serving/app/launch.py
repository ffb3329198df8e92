"""Processes behind the app: the embedded server, where none is given, and Streamlit; both end when their `with` block does."""

import importlib.util
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from components.common.errors import REASON_PREFIX, UserError
from components.common.repository import CONFIG
from serving.app import theme
from serving.app.served import Served
from serving.app.sources import Sources

START_S = 120.0
STOP_S = 10.0
POLL_S = 0.1
LOOPBACK = ("localhost", "127.0.0.1", "::1")
MAIN = Path(__file__).parent / "main.py"
Process = subprocess.Popen[bytes]


@contextmanager
def embedded_server(repository: Path, model: str) -> Iterator[tuple[str, Served]]:
    """The embedded server of a local repository on a free port: `host:port`, and what it serves.

    Raises:
        UserError: it ended instead of answering; the message is its own.
    """
    with tempfile.TemporaryDirectory(prefix="marque-app-") as scratch:
        port_file, log, config = Path(scratch, "port"), Path(scratch, "log"), Path(scratch, CONFIG)
        served = Served(repository, model, config)
        ports = ["--port", "0", "--port-file", str(port_file), "--rest-port", "-1"]
        command = [sys.executable, "-m", "serving", "serve", "--config", str(config), *ports]
        with log.open("wb") as output, _ended(_start(command, output)) as process:
            if not _wait(port_file.exists, process):
                lines = log.read_text("utf-8", "replace").strip().splitlines() or ["it said nothing"]
                raise UserError(f"the embedded server did not start: {lines[-1].removeprefix(REASON_PREFIX)}")
            yield f"localhost:{port_file.read_text('utf-8').strip()}", served


@contextmanager
def streamlit(sources: Sources, host: str, port: int) -> Iterator[tuple[str, Process]]:
    """The app itself, as (its address in a browser, its process), once it answers.

    Raises:
        UserError: Streamlit does not start.
    """
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    options = theme.options() | {"server.address": host, "server.port": str(port)}
    flags = [f"--{name}={value}" for name, value in options.items()]
    if host in LOOPBACK:  # no other name leads here, so that a page elsewhere cannot pretend to be one of ours
        flags += [f"--server.allowedHosts={name}" for name in LOOPBACK]
    command = [sys.executable, "-m", "streamlit", "run", str(MAIN), *flags]
    with _ended(_start(command, variables=sources.to_environment())) as process:
        if not _wait(lambda: _answers(f"{address}/_stcore/health"), process):
            raise UserError("Streamlit did not start; what it says stands above")
        yield address, process


def _start(command: list[str], output: IO[bytes] | None = None, variables: Mapping[str, str] | None = None) -> Process:
    """Starts a process whose output and errors go to `output`; where there is none, its errors go where ours do."""
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output or subprocess.DEVNULL,
        stderr=None if output is None else subprocess.STDOUT,
        env={**os.environ, **(variables or {})},
        start_new_session=True,  # Ctrl-C in a terminal reaches the launcher alone, which then ends them in order
    )


@contextmanager
def _ended(process: Process) -> Iterator[Process]:
    """The process, asked to end with the block, and killed where it does not."""
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(ready: Callable[[], bool], process: Process) -> bool:
    """Whether `ready` came true before the process ended or `START_S` passed."""
    deadline = time.monotonic() + START_S
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=1) as response:  # noqa: S310 - an address of our own
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def check_streamlit() -> None:
    """Raises UserError: Streamlit is not installed."""
    if importlib.util.find_spec("streamlit") is None:
        raise UserError("the app needs Streamlit, which is not installed: run `make app`, or `pip install 'marque[app]'`")


def free_port(host: str, port: int) -> int:
    """`port`, or where it is 0 a free one.

    Raises:
        UserError: it cannot be opened.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = f"the port cannot be opened ({error.strerror})"
            raise UserError(f"{host}:{port}: {reason}; is it taken? Choose another with --port (0: a free one)") from None
        return int(probe.getsockname()[1])
