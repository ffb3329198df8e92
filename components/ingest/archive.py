"""Unpacks archives from strangers: nothing lands outside the folder, no links, and never more bytes than allowed.

What a header promises is counted before it is unpacked, so a bomb is refused at the cost of reading a header.
"""

import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from components.common.errors import UserError
from components.common.storage import safe_path

SUFFIXES = (".tgz", ".tar.gz", ".tar", ".zip")
HEADER_BYTES = 512
TAIL_BYTES = 1 << 20

Member = tuple[str, int, IO[bytes]]


def unpack(archive: Path, folder: Path, *, max_bytes: int) -> Path:
    """Unpacks a tar (plain or compressed) or zip into `folder`, which is created; returns `folder`.

    Raises:
        UserError: not an archive, a damaged one, a member that is a link or would leave the folder, or more than `max_bytes`
            unpacked.
    """
    folder.mkdir(parents=True, exist_ok=True)
    members = _zip_members(archive) if zipfile.is_zipfile(archive) else _tar_members(archive)
    unpacked = 0
    try:
        for name, size, content in members:
            unpacked += size + HEADER_BYTES
            if unpacked > max_bytes:
                raise UserError(f"{archive}: unpacks to more than {max_bytes} bytes; raise max_source_bytes if you trust it")
            _write(content, _target(archive, folder, name), size)
    except (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, OSError, RuntimeError) as error:
        raise UserError(f"{archive}: expected a sound tar or zip archive: {error}") from None
    return folder


def _write(content: IO[bytes], target: Path, size: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as handle:
        shutil.copyfileobj(content, handle)
    if target.stat().st_size != size:
        raise EOFError(f"member {target.name!r} is cut off")


def _target(archive: Path, folder: Path, name: str) -> Path:
    try:
        return safe_path(folder, name)
    except UserError as error:
        raise UserError(f"{archive}: {error}") from None


def _tar_members(archive: Path) -> Iterator[Member]:
    # Opening it would say so in a line for each kind of compression.
    if not tarfile.is_tarfile(archive):
        raise UserError(f"{archive}: expected a sound tar or zip archive, received another kind of file")
    with tarfile.open(archive, "r:*") as tar:
        for member in tar:
            if member.isdir():
                continue
            content = tar.extractfile(member) if member.isreg() else None
            if content is None:
                raise UserError(f"{archive}: member {member.name!r} is a link or a device; it is refused")
            yield member.name, member.size, content
        # tarfile stops at its end mark; only what lies behind it makes gzip compare its checksum.
        if tar.fileobj:
            tar.fileobj.read(TAIL_BYTES)


def _zip_members(archive: Path) -> Iterator[Member]:
    with zipfile.ZipFile(archive) as packed:
        for info in packed.infolist():
            if info.is_dir():
                continue
            if stat.S_ISLNK(info.external_attr >> 16):
                raise UserError(f"{archive}: member {info.filename!r} is a link; it is refused")
            with packed.open(info) as content:
                yield info.filename, info.file_size, content
