"""`predict` for many photos: folders, patterns, addresses; to CSV, JSONL and annotated photos; what fails is set aside."""

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from components.common.buckets import upload
from serving.__main__ import main
from serving.client import sources

MakePhoto = Callable[..., bytes]
COLOURS = ["red", "lime", "blue"]
CARS = ["red car", "green car", "blue car"]


@pytest.fixture
def cars(tmp_path: Path, photo: MakePhoto) -> Path:
    """40 photos at three depths, a hidden one, and a text."""
    folder = tmp_path / "cars"
    for number in range(40):
        path = folder / ("a", "a/b", "c")[number % 3] / f"{number:02}.{('jpg', 'PNG')[number % 2]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo(COLOURS[number % 3], (40, 20), ("JPEG", "PNG")[number % 2]))
    (folder / "a" / ".hidden.jpg").write_bytes(photo("red"))
    (folder / "notes.txt").write_text("no photo")
    return folder


def predict(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["predict", *map(str, arguments)])


def test_a_folder_to_csv(address: str, cars: Path, tmp_path: Path) -> None:
    output = tmp_path / "cars.csv"
    ended = predict(cars, "--server", address, "--output", output)
    assert (ended.exit_code, ended.stdout) == (0, f"wrote {output}: 40 predictions\n")
    assert ended.stderr == "photos: 40, done\n"
    with output.open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["photo"] for row in rows] == sorted(str(path) for path in cars.rglob("[0-9]*"))
    assert {row["photo"]: row["label"] for row in rows} == {
        str(path): CARS[int(path.stem) % 3] for path in cars.rglob("[0-9]*")
    }  # fmt: skip
    assert {(row["x1"], row["y1"], row["x2"], row["y2"], row["version"], row["error"]) for row in rows} == {
        ("10.0", "5.0", "30.0", "15.0", "2", "")
    }
    assert all(0.5 < float(row["score"]) <= 1 for row in rows)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cars", "cars.csv"]


def test_patterns_and_addresses_to_jsonl(address: str, cars: Path, web: str, gcs: str, tmp_path: Path) -> None:
    upload(cars / "a" / "00.jpg", f"gs://{gcs}/photos/deep/00.jpg")
    upload(cars / "notes.txt", f"gs://{gcs}/photos/notes.txt")
    output = tmp_path / "cars.jsonl"
    ended = predict(
        cars / "**" / "*.PNG", f"{web}/car.jpg?signature=secret", f"gs://{gcs}/photos/", "--server", address, "--output", output,
        "--top", 2,
    )  # fmt: skip
    assert ended.exit_code == 0
    objects = [json.loads(line) for line in output.read_text().splitlines()]
    names = [*sorted(str(path) for path in cars.rglob("*.PNG")), f"{web}/car.jpg", f"gs://{gcs}/photos/deep/00.jpg"]
    assert [each["photo"] for each in objects] == names
    assert objects[-2]["labels"][0] == "blue car"
    assert objects[-1] == {
        "photo": names[-1],
        "labels": CARS[:2],
        "scores": objects[-1]["scores"],
        "box": [10, 5, 30, 15],
        "version": 2,
    }


def test_a_pattern_of_any_depth_finds_each_file_once(cars: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cars / "a" / "b" / "up").symlink_to(cars)
    (cars / "c" / "up").symlink_to(cars)
    (cars / ".hidden").mkdir()
    (cars / ".hidden" / "x.PNG").write_bytes(b"")
    visible = [path for path in cars.glob("**/*") if path.is_file() and "/." not in str(path)]
    pngs = [path for path in visible if path.suffix == ".PNG"]
    assert len(visible) == 41
    for pattern, paths in [("**", visible), ("**/**/*.PNG", pngs), ("[ab]/**/*.PNG", [png for png in pngs if "/a/" in str(png)])]:
        assert [name for name, _ in sources.expand([f"{cars}/{pattern}"])] == sorted(map(str, paths))
    monkeypatch.chdir(cars)
    assert [name for name, _ in sources.expand(["**"])] == sorted(str(path.relative_to(cars)) for path in visible)


def test_a_bad_address_is_set_aside_and_no_argument_is_none(address: str, tmp_path: Path, photo: MakePhoto) -> None:
    (tmp_path / "car.jpg").write_bytes(photo("red"))
    ended = predict(tmp_path / "car.jpg", "http://[bad/x.jpg", "--server", address, "--json")
    assert [photo.get("labels", [""])[0] for photo in json.loads(ended.stdout)] == ["red car", ""]
    assert "set aside: http://[bad/x.jpg: expected an address" in ended.stderr
    for arguments in (["", tmp_path / "car.jpg"], ["gs://[bad/"]):
        ended = predict(*arguments, "--server", "localhost:1")
        assert (ended.exit_code, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)


def test_a_name_of_two_lines_is_shown_on_one(address: str, tmp_path: Path, photo: MakePhoto) -> None:
    (tmp_path / "a\nb\x1b.jpg").write_bytes(photo("red"))
    ended = predict(tmp_path, "--server", address, "--save", tmp_path / "out", "--top", 1)
    assert (ended.exit_code, "\x1b" in ended.stdout) == (0, False)
    row = next(line for line in ended.stdout.splitlines() if "%" in line)
    assert row.split("  ")[0].endswith("a\\nb\\x1b.jpg")
    assert ended.stdout.splitlines()[-1] == f"saved {tmp_path}/out/a\\nb\\x1b-predicted.jpg"


def test_what_fails_is_set_aside(address: str, cars: Path, tmp_path: Path) -> None:
    (cars / "a" / "00.jpg").write_bytes(b"no photo")
    (cars / "c" / "02.jpg").unlink()
    (cars / "c" / "02.jpg").symlink_to("nothing")
    output = tmp_path / "out.csv"
    undecoded = "expected a photo (JPEG, PNG, ...), received something that does not decode: its format is unknown"
    ended = predict(cars, cars / "gone.jpg", "--server", address, "--output", output, "--save", tmp_path / "saved")
    assert ended.exit_code == 1
    assert ended.stdout.splitlines() == [f"wrote {output}: 38 predictions", f"saved 38 photos in {tmp_path / 'saved'}"]
    assert ended.stderr.splitlines()[1:] == [
        f"set aside: {cars}/a/00.jpg: {undecoded}",
        f"set aside: {cars}/gone.jpg: expected a photo, cannot read it: No such file or directory",
        "marque: error: 2 of 40 photos were set aside; the others are done",
    ]
    with output.open(newline="") as handle:
        errors = {row["photo"]: row["error"] for row in csv.DictReader(handle) if row["error"]}
    assert list(errors) == [f"{cars}/a/00.jpg", f"{cars}/gone.jpg"]
    assert len(list((tmp_path / "saved").iterdir())) == 38


def test_the_few_are_a_table_also_when_one_fails(address: str, tmp_path: Path, photo: MakePhoto) -> None:
    (tmp_path / "car.jpg").write_bytes(photo("red"))
    (tmp_path / "text.jpg").write_text("no photo")
    ended = predict(tmp_path / "text.jpg", tmp_path / "car.jpg", "--server", address, "--top", 1)
    assert ended.exit_code == 1
    assert [line.split()[-7:-5] for line in ended.stdout.splitlines() if "%" in line] == [["red", "car"]]
    assert [line.split(": ")[0] for line in ended.stderr.splitlines()] == ["set aside", "marque"]
    ended = predict(tmp_path / "text.jpg", tmp_path / "car.jpg", "--server", address, "--json")
    assert [sorted(each) for each in json.loads(ended.stdout)] == [
        ["error", "photo"],
        ["box", "labels", "photo", "scores", "version"],
    ]


def test_photos_from_the_web_are_saved_too(address: str, web: str, tmp_path: Path) -> None:
    assert predict(f"{web}/car.jpg", "--server", address, "--save", tmp_path / "out").exit_code == 0
    assert Image.open(io.BytesIO((tmp_path / "out" / "car-predicted.jpg").read_bytes())).size == (480, 320)


def test_a_failing_server_leaves_no_output(cars: Path, tmp_path: Path) -> None:
    output = tmp_path / "cars.csv"
    output.write_text("as before")
    ended = predict(cars, "--server", "localhost:1", "--output", output)
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert "localhost:1: no server answers there" in ended.stderr
    assert output.read_text() == "as before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cars", "cars.csv"]


def test_an_output_that_cannot_be_is_refused_before_the_work(cars: Path, tmp_path: Path) -> None:
    for output, reason in [
        ("cars.txt", "expected a name that ends in .csv or .jsonl"),
        ("none/a.csv", "expected an existing folder"),
    ]:
        ended = predict(cars, "--server", "localhost:1", "--output", tmp_path / output)
        assert (ended.exit_code, ended.stderr.count("\n")) == (1, 1)
        assert reason in ended.stderr


def test_a_version_and_a_token(address: str, tmp_path: Path, photo: MakePhoto, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "car.jpg").write_bytes(photo("red"))
    assert predict(tmp_path / "car.jpg", "--server", address, "--version", 2).exit_code == 0
    assert "expected version 7 of" in predict(tmp_path / "car.jpg", "--server", address, "--version", 7).stderr
    assert "expected a label of model" in predict(tmp_path / "car.jpg", "--server", address, "--label", "none").stderr
    assert "received both: 2 and 'stable'" in predict(tmp_path, "--version", 2, "--label", "stable").stderr
    (tmp_path / "token").write_text("secret-token\n")
    assert predict(tmp_path / "car.jpg", "--server", address, "--token-file", tmp_path / "token").exit_code == 0
    refused = predict(tmp_path / "car.jpg", "--server", "example.org:8500", "--token-file", tmp_path / "token")
    assert "a token is not sent in clear" in refused.stderr
    assert "cannot read it: No such file" in predict(tmp_path / "car.jpg", "--token-file", tmp_path / "none").stderr
    (tmp_path / "empty").write_text("\n")
    assert "expected a file with a token, it is empty" in predict(tmp_path / "car.jpg", "--token-file", tmp_path / "empty").stderr
    monkeypatch.setenv("MARQUE_TOKEN", "secret-token")
    refused = predict(tmp_path / "car.jpg", "--server", "example.org:8500")
    assert "a token is not sent in clear" in refused.stderr
    assert "secret" not in refused.stderr
    assert "cannot read it: No such file" in predict(tmp_path / "car.jpg", "--tls-ca", tmp_path / "none").stderr


@pytest.mark.skipif(os.name != "posix", reason="names are text there")
def test_a_name_that_is_no_text(address: str, tmp_path: Path, photo: MakePhoto) -> None:
    (tmp_path / "cars").mkdir()
    (Path(os.fsdecode(bytes(tmp_path / "cars") + b"/\xff.jpg"))).write_bytes(photo("red"))
    ended = predict(tmp_path / "cars", "--server", address, "--output", tmp_path / "out.jsonl")
    assert ended.exit_code == 0
    assert json.loads((tmp_path / "out.jsonl").read_text())["photo"] == f"{tmp_path}/cars/\\udcff.jpg"
