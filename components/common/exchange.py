"""A small file that several processes change: each writes only over what it has read, so that no change is lost.

In a bucket by the object's generation. In a local folder under a lock of the kernel, which ends with its process, beside the file.
"""

import contextlib
import fcntl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from components.common import buckets
from components.common.whole import whole_file


@dataclass(frozen=True)
class Snapshot:
    """What a file held when it was read; `generation` is 0 where it was not there, and a local file's 1."""

    content: bytes
    generation: int


def read(uri: str) -> Snapshot:
    """The file now, a local path or `gs://bucket/object`.

    Raises:
        UserError: a bucket that cannot be read.
    """
    if uri.startswith("gs://"):
        return Snapshot(*buckets.read_generation(uri))
    try:
        return Snapshot(Path(uri).read_bytes(), 1)
    except FileNotFoundError:
        return Snapshot(b"", 0)


def write(uri: str, content: bytes, over: Snapshot) -> bool:
    """Writes the file, whole, where it is still as in `over`; False, and nothing is done, where it is not.

    Raises:
        UserError: a bucket that cannot be written.
    """
    if uri.startswith("gs://"):
        return buckets.write_generation(uri, content, over.generation)
    path = Path(uri)
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.with_name(f".{path.name}.lock")):
        if read(uri) != over:
            return False
        with whole_file(path) as partial:
            partial.write_bytes(content)
    return True


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Holds the lock file `path`, which stays behind; given is whether the lock was free, always True with `wait`."""
    with path.open("wb") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
