"""A folder on this machine or `gs://bucket/prefix`, behind the same few calls; a bucket's connection is kept for all of them."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.common import buckets
from components.common.errors import UserError
from components.common.repository import GRAPH
from components.common.whole import whole_file


@dataclass(frozen=True)
class File:
    """`name` is relative to its place, with `/`; `stamp` changes when the content does: a checksum, or the time of the change."""

    name: str
    bytes: int
    stamp: str


class Folder:
    """A local folder; one that is not there is empty, and is made by the first `write`."""

    def __init__(self, path: Path):
        self._path = path.absolute()
        self.uri = str(self._path)

    def files(self) -> Iterator[File]:
        """Every file below, in no order; files and folders whose names begin with a dot are not seen."""
        for folder, folders, names in os.walk(self._path):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for path in (Path(folder, name) for name in names if not name.startswith(".")):
                if path.is_file():
                    stat = path.stat()
                    yield File(path.relative_to(self._path).as_posix(), stat.st_size, str(stat.st_mtime_ns))

    def read(self, name: str) -> bytes:
        return (self._path / name).read_bytes()

    def write(self, name: str, source: Path) -> None:
        """Copies the local file `source`, whole or not at all."""
        self._path.mkdir(parents=True, exist_ok=True)
        with whole_file(self._path / name) as partial:
            partial.write_bytes(source.read_bytes())


class Bucket:
    """`gs://bucket/prefix`; `read` may be called from several threads."""

    def __init__(self, uri: str, client: Any):
        self.uri = uri.rstrip("/")
        self._client = client

    def files(self) -> Iterator[File]:
        for name, blob in buckets.list_blobs(self._client, self.uri):
            if not any(part.startswith(".") for part in name.split("/")):
                yield File(name, blob.size, str(blob.crc32c or blob.generation))

    def read(self, name: str) -> bytes:
        return self._blob(name).download_as_bytes(raw_download=True, retry=buckets.retry_policy())

    def write(self, name: str, source: Path) -> None:
        self._blob(name).upload_from_filename(str(source), retry=buckets.retry_policy())

    def _blob(self, name: str) -> Any:
        return buckets.blob_at(self._client, f"{self.uri}/{name}")


Place = Folder | Bucket


@contextlib.contextmanager
def open_place(uri: str, what: str) -> Iterator[Place]:
    """Opens a place; `what` names it in errors.

    Raises:
        UserError: neither a path nor gs://; inside the body also: no such bucket or object, access denied, not to be reached.
    """
    if uri.startswith("gs://"):
        with buckets.connect(uri) as client:
            yield Bucket(uri, client)
    elif "://" in uri or not uri:
        raise UserError(f"{what}: expected a folder or gs://bucket/prefix, received {uri!r}")
    else:
        yield Folder(Path(uri))


def check_places(model: str, output: str) -> None:
    """What can be said before a batch begins.

    Raises:
        UserError: no SavedModel at `model`, or an `output` that cannot be a folder.
    """
    with open_place(model, "model") as place:
        if all(file.name != GRAPH for file in place.files()):
            raise UserError(f"{model}: expected a SavedModel, as <repository>/<model>/<version>, found no {GRAPH}")
    with open_place(output, "output") as place:
        if isinstance(place, Folder):
            folder = Path(place.uri)
            there = next(path for path in (folder, *folder.parents) if path.exists())
            if not there.is_dir():
                raise UserError(f"output: expected a folder or gs://bucket/prefix, received {output}: {there} is a file")
