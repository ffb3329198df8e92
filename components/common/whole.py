"""Outputs that are there whole or not at all: written beside the target under another name, renamed when complete."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from components.common.errors import UserError


@contextlib.contextmanager
def whole_folder(target: Path, mark: str = "") -> Iterator[Path]:
    """A fresh folder to fill; when the body ends well it takes the place of `target`, and what lay there is gone.

    When the body raises, `target` is as it was.

    Args:
        target: the folder.
        mark: a file that every such folder holds; without it whatever is there is replaced.

    Raises:
        UserError: `target` is a file, a folder of something else, or where nothing can be written, before anything is done.
    """
    _check_local(target)
    if target.exists() and not target.is_dir():
        raise UserError(f"{target}: expected a folder to write, found a file; name another place")
    if mark and target.is_dir() and any(target.iterdir()) and not (target / mark).exists():
        raise UserError(f"{target}: expected an empty folder, or an earlier one with {mark}, found other files; name another place")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-")
    except OSError as error:
        raise UserError(f"{target}: expected a place to write, cannot write in {target.parent}: {error.strerror}") from None
    with beside as scratch:
        partial = Path(scratch) / target.name
        partial.mkdir()
        yield partial
        if target.exists():
            shutil.rmtree(target)
        partial.rename(target)


@contextlib.contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """A path to write; when the body ends well the file there takes the place of `target`.

    Raises:
        UserError: `target` is an address.
    """
    _check_local(target)
    partial = target.with_name(f"{target.name}.partial")
    try:
        yield partial
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _check_local(target: Path) -> None:
    """A path does not tell gs://bucket from a folder named "gs:"."""
    if target.parts[:1] and target.parts[0] in ("gs:", "s3:", "http:", "https:", "file:"):
        raise UserError(f"{target}: expected a path on this machine to write to, received an address")
