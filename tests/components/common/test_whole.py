"""Outputs are there whole or not at all."""

from pathlib import Path

import pytest

from components.common.errors import UserError
from components.common.whole import whole_file, whole_folder


def test_a_folder_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "stale").write_text("")
    with whole_folder(target) as folder:
        (folder / "new").write_text("")
        assert (target / "stale").exists()
    assert [path.name for path in target.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    for target, message in [
        (tmp_path, r"expected an empty folder, or an earlier one with config\.json, found other files"),
        (tmp_path / "thesis.txt", "expected a folder to write, found a file"),
    ]:
        with pytest.raises(UserError, match=message), whole_folder(target, "config.json"):
            raise AssertionError
    assert (tmp_path / "thesis.txt").read_text() == "mine"
    for _ in range(2):
        with whole_folder(tmp_path / "model", "config.json") as folder:
            (folder / "config.json").write_text("{}")


def test_a_place_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(UserError, match=r"file/folder: expected a place to write, cannot write in .*file: "),
        whole_folder(tmp_path / "file" / "folder"),
    ):
        pass


def test_when_the_body_fails_all_is_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with whole_folder(target) as folder:
        (folder / "first").write_text("")
    with pytest.raises(KeyError), whole_folder(target) as folder:
        (folder / "second").write_text("")
        raise KeyError
    assert [path.name for path in target.iterdir()] == ["first"]
    with pytest.raises(KeyError), whole_file(tmp_path / "file") as path:
        path.write_text("half")
        raise KeyError
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_file_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    with whole_file(tmp_path / "file") as path:
        path.write_text("new")
        assert (tmp_path / "file").read_text() == "old"
    assert (tmp_path / "file").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("address", ["gs://bucket/out", "https://example.com/out", "s3://bucket/out"])
def test_an_address_is_no_place_on_this_machine(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for whole in (whole_folder, whole_file):
        with (
            pytest.raises(UserError, match="expected a path on this machine to write to, received an address"),
            whole(Path(address)),
        ):
            pass
    assert list(tmp_path.iterdir()) == []
