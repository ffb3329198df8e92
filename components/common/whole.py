"""Outputs that are there whole or not at all: written beside the target under another name, renamed when complete."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A fresh folder to fill; when the body ends well it takes the place of `target`, and what lay there is gone.

    When the body raises, `target` is as it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as scratch:
        partial = Path(scratch) / target.name
        partial.mkdir()
        yield partial
        if target.exists():
            shutil.rmtree(target)
        partial.rename(target)


@contextlib.contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """A path to write; when the body ends well the file there takes the place of `target`."""
    partial = target.with_name(f"{target.name}.partial")
    try:
        yield partial
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
