"""`python -m serving` as a user meets it: tables, JSON, and one line for every mistake."""

import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from serving.__main__ import main

MakePhoto = Callable[..., bytes]
Start = Callable[[Path, Path], tuple["subprocess.Popen[str]", str]]


def serving(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-m", "serving", *map(str, arguments)], capture_output=True, text=True, timeout=60)


def one_line(*arguments: object) -> str:
    """The single line of a command that fails (run in this process, where TensorFlow is imported already)."""
    ended = CliRunner().invoke(main, list(map(str, arguments)))
    assert (ended.exit_code, ended.stdout) == (1, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith("marque: error: ")
    return line.removeprefix("marque: error: ")


def test_predict_prints_a_table_and_saves_the_photos(address: str, tmp_path: Path, photo: MakePhoto) -> None:
    first, second = tmp_path / "car.jpg", tmp_path / "other" / "car.png"
    first.write_bytes(photo("red", (80, 40)))
    second.parent.mkdir()
    second.write_bytes(photo("blue", (40, 40), "PNG"))
    ended = serving("predict", first, second, "--server", address, "--top", 2, "--save", tmp_path / "out")
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    rows = [line.split() for line in lines if "%" in line]
    assert len(rows) == 4
    assert rows[0][-7:-5] == ["red", "car"]
    assert rows[0][-4:] == ["20", "10", "60", "30"]
    assert rows[1][:2] == ["green", "car"]
    assert rows[2][-7:-5] == ["blue", "car"]
    assert max(map(len, lines[:8])) <= 100
    saved = [tmp_path / "out" / "car-predicted.jpg", tmp_path / "out" / "car-predicted-2.jpg"]
    assert [line for line in ended.stdout.splitlines() if "saved" in line] == [f"saved {path}" for path in saved]
    assert [Image.open(io.BytesIO(path.read_bytes())).size for path in saved] == [(480, 240), (480, 480)]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(path.name for path in saved)


def test_predict_prints_json(address: str, tmp_path: Path, photo: MakePhoto) -> None:
    path = tmp_path / "car.jpg"
    path.write_bytes(photo("lime", (80, 40), mode="CMYK"))
    ended = serving("predict", path, "--server", address, "--json", "--top", 1)
    assert (ended.returncode, ended.stderr) == (0, "")
    (answer,) = json.loads(ended.stdout)
    assert answer["photo"] == str(path)
    assert answer["labels"] == ["green car"]
    assert 0.9 < answer["scores"][0] <= 1
    assert answer["box"] == [20, 10, 60, 30]
    assert answer["version"] == 2


def test_status_prints_the_version(address: str) -> None:
    ended = serving("status", "--server", address)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ["marque", "2", "AVAILABLE"] in [line.split() for line in ended.stdout.splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_cleanly(repository: Path, start_process: Start, tmp_path: Path, number: signal.Signals) -> None:
    process, address = start_process(repository, tmp_path / "port")
    process.send_signal(number)
    output, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    assert output == f"serving marque version 2 on {address}\n"


@pytest.mark.slow
def test_a_server_that_is_not_there_is_one_line_from_the_shell_too(tmp_path: Path, photo: MakePhoto) -> None:
    (tmp_path / "car.jpg").write_bytes(photo("red"))
    ended = serving("predict", tmp_path / "car.jpg", "--server", "localhost:1")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("marque: error: localhost:1: no server answers there")
    assert ended.stderr.count("\n") == 1


def test_mistakes_end_in_one_line(address: str, tmp_path: Path, photo: MakePhoto) -> None:
    car, text = tmp_path / "car.jpg", tmp_path / "text.jpg"
    car.write_bytes(photo("red"))
    text.write_text("no photo")
    (tmp_path / "empty").mkdir()
    assert "missing.jpg: expected a photo, cannot read it: No such file" in one_line("predict", tmp_path / "missing.jpg")
    assert "empty: expected photos (.jpg, .jpeg" in one_line("predict", tmp_path / "empty")
    assert "*.png: expected photos (.jpg, .jpeg" in one_line("predict", tmp_path / "*.png")
    assert "text.jpg: expected a photo" in one_line("predict", text, "--server", address)
    assert "expected a server as host:port" in one_line("predict", car, "--server", "localhost")
    assert "no answer within 0.0001 s" in one_line("predict", car, "--server", address, "--deadline", 0.0001)
    assert "expected a model named 'other'" in one_line("predict", car, "--server", address, "--model", "other")
    assert "Could not find any versions of model other" in one_line("status", "--server", address, "--model", "other")


def test_mistakes_of_serve_end_in_one_line(address: str, repository: Path, tmp_path: Path) -> None:
    port = address.rpartition(":")[2]
    assert "expected a model repository" in one_line("serve", "--repository", tmp_path / "none")
    assert "the port cannot be opened" in one_line("serve", "--repository", repository, "--port", port)


def test_what_cannot_be_written_is_one_line(address: str, repository: Path, tmp_path: Path, photo: MakePhoto) -> None:
    car = tmp_path / "car.jpg"
    car.write_bytes(photo("red"))
    ended = CliRunner().invoke(main, ["predict", str(car), "--server", address, "--save", str(car)])
    assert (ended.exit_code, ended.stderr.count("\n")) == (1, 1)
    assert "expected a folder to save into" in ended.stderr
    for path in (tmp_path / "none" / "port", car / "port"):
        ended = CliRunner().invoke(main, ["serve", "--repository", str(repository), "--port", "0", "--port-file", str(path)])
        assert (ended.exit_code, ended.stderr.count("\n")) == (1, 1)
        assert "the port file cannot be written" in ended.stderr


@pytest.mark.parametrize("deadline", ["nan", "inf", "1e300", "3601", "0", "-1"])
def test_a_deadline_that_is_none_is_refused(tmp_path: Path, deadline: str) -> None:
    ended = CliRunner().invoke(main, ["predict", str(tmp_path / "car.jpg"), "--deadline", deadline])
    assert ended.exit_code == 2
    assert "Invalid value for '--deadline'" in ended.stderr


def test_the_photo_itself_is_never_overwritten(address: str, tmp_path: Path, photo: MakePhoto) -> None:
    car = tmp_path / "car.jpg"
    car.write_bytes(photo("red"))
    assert CliRunner().invoke(main, ["predict", str(car), "--server", address, "--save", str(tmp_path)]).exit_code == 0
    assert car.read_bytes() == photo("red")
    assert Image.open(io.BytesIO((tmp_path / "car-predicted.jpg").read_bytes())).format == "JPEG"
