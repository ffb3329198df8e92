"""The command: what cannot be is told in one line before anything is started."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from components.common.errors import UserError
from serving.app.launch import embedded_server

LISTENING = "localhost"


def test_a_taken_port_is_one_line(tmp_path: Path) -> None:
    with socket.create_server((LISTENING, 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "serving.app", f"--demo={tmp_path}", f"--port={port}"]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"marque: error: {LISTENING}:{port}: the port cannot be opened")
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.slow
def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    version = tmp_path / "marque" / "1"
    version.mkdir(parents=True)
    (version / "saved_model.pb").write_bytes(b"not a model")
    with pytest.raises(UserError, match="the embedded server did not start: .*SavedModel"), embedded_server(tmp_path, "marque"):
        pass
