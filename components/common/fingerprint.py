"""What a folder holds, in one line of text: equal for equal names and bytes, different for all else."""

import hashlib
from collections.abc import Collection
from pathlib import Path


def fingerprint(folder: Path, without: Collection[str] = ("__pycache__",)) -> str:
    """SHA-256 (hex) over the relative names and the bytes of all files in `folder`, whatever their times and modes.

    A file does not count where `without` holds its relative name, that of a folder it lies in, or any one part of these.
    """
    total = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder)
        if not {*name.parts, *(each.as_posix() for each in (name, *name.parents))}.isdisjoint(without):
            continue
        with path.open("rb") as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
        total.update(f"{digest} {name.as_posix()}\0".encode())
    return total.hexdigest()
