"""Archives from strangers."""

import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from components.common.errors import UserError
from components.ingest.archive import unpack

LIMIT = 1 << 20
FILES = {"cars/a.jpg": b"first", "cars/deep/b.jpg": os.urandom(5000), "empty": b""}


def _tar(path: Path, files: dict[str, bytes], mode: str = "w:gz", kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(path, mode) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.type = kind
            member.size = len(content)
            if kind != tarfile.REGTYPE:
                member.linkname = "/etc/passwd"
            tar.addfile(member, io.BytesIO(content))
    return path


def _zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return path


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_tars_of_any_compression(mode: str, tmp_path: Path) -> None:
    archive = _tar(tmp_path / "a.tgz", FILES, mode)
    assert _contents(unpack(archive, tmp_path / "out", max_bytes=LIMIT)) == FILES


def test_zips(tmp_path: Path) -> None:
    assert _contents(unpack(_zip(tmp_path / "a.zip", FILES), tmp_path / "out", max_bytes=LIMIT)) == FILES


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil"])
@pytest.mark.parametrize("write", [_tar, _zip])
def test_nothing_leaves_the_folder(write: object, name: str, tmp_path: Path) -> None:
    archive = write(tmp_path / "archive", {name: b"evil"})
    with pytest.raises(UserError, match="inside its folder"):
        unpack(archive, tmp_path / "out", max_bytes=LIMIT)
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_refused(kind: bytes, tmp_path: Path) -> None:
    archive = _tar(tmp_path / "a.tgz", {"link": b""}, kind=kind)
    with pytest.raises(UserError, match="'link' is a link or a device"):
        unpack(archive, tmp_path / "out", max_bytes=LIMIT)


def test_links_in_zips_are_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("link")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr(info, "/etc/passwd")
    with pytest.raises(UserError, match="is a link"):
        unpack(tmp_path / "a.zip", tmp_path / "out", max_bytes=LIMIT)


@pytest.mark.parametrize("write", [_tar, _zip])
def test_bombs_are_refused_before_they_go_off(write: object, tmp_path: Path) -> None:
    archive = write(tmp_path / "archive", {"small": b"x", "big": bytes(20 * LIMIT)})
    assert archive.stat().st_size < LIMIT / 10
    with pytest.raises(UserError, match=f"more than {LIMIT} bytes"):
        unpack(archive, tmp_path / "out", max_bytes=LIMIT)
    assert set(_contents(tmp_path / "out")) <= {"small"}


def test_crowds_of_empty_files_count(tmp_path: Path) -> None:
    archive = _tar(tmp_path / "a.tgz", {str(i): b"" for i in range(100)})
    with pytest.raises(UserError, match="more than 20000 bytes"):
        unpack(archive, tmp_path / "out", max_bytes=20_000)


@pytest.mark.parametrize("write", [_tar, _zip])
@pytest.mark.parametrize("keep", [0.0, 0.02, 0.5, 0.95])
def test_cut_off_archives(write: object, keep: float, tmp_path: Path) -> None:
    archive = write(tmp_path / "archive", {**FILES, "last": os.urandom(20_000)})
    content = archive.read_bytes()
    archive.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(UserError, match="expected a sound tar or zip archive"):
        unpack(archive, tmp_path / "out", max_bytes=LIMIT)


@pytest.mark.parametrize("write", [_tar, _zip])
def test_damaged_archives(write: object, tmp_path: Path) -> None:
    archive = write(tmp_path / "archive", {"a": os.urandom(20_000)})
    content = bytearray(archive.read_bytes())
    content[10_000:10_100] = bytes(100)
    archive.write_bytes(content)
    with pytest.raises(UserError, match="expected a sound tar or zip archive"):
        unpack(archive, tmp_path / "out", max_bytes=LIMIT)


def test_a_file_that_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "a.tgz").write_text("this is a web page about an archive" * 50)
    with pytest.raises(UserError, match="expected a sound tar or zip archive, received another kind of file$"):
        unpack(tmp_path / "a.tgz", tmp_path / "out", max_bytes=LIMIT)
