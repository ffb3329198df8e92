"""What a folder holds, in one line of text: equal for equal names and bytes, different for all else."""

import hashlib
from pathlib import Path


def fingerprint(folder: Path) -> str:
    """SHA-256 (hex) over the relative names and the bytes of all files in `folder`, whatever their times and modes."""
    total = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
        total.update(f"{digest} {path.relative_to(folder).as_posix()}\0".encode())
    return total.hexdigest()
