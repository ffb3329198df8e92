"""Files wherever they lie: local paths, `gs://bucket/object` and `http(s)://`.

A download is whole or not there: bytes go to a temporary name beside the target, are counted against a limit while they stream,
checked, and renamed.
"""

import contextlib
import hashlib
import re
import tempfile
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import requests
import urllib3

from components.common import buckets
from components.common.errors import UserError
from components.common.whole import whole_folder

CONNECT_DEADLINE_S = 10
READ_DEADLINE_S = 60
DOWNLOAD_THREADS = 8
CHUNK_BYTES = 1 << 20


def is_remote(uri: str) -> bool:
    """Whether `uri` names something that must be fetched: gs://, http:// or https://."""
    return re.match(r"(gs|https?)://", uri) is not None


def without_secrets(uri: str) -> str:
    """`uri` fit for messages and files: an http(s) address loses its user, password, query and fragment."""
    if not re.match(r"https?://", uri):
        return uri
    parts = urllib.parse.urlsplit(uri)
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def safe_path(folder: Path, name: str) -> Path:
    """`folder/name`, for a relative name with `/` that came from outside.

    Raises:
        UserError: the name is absolute or would leave the folder.
    """
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\\" in name or "\0" in name:
        raise UserError(f"expected a name inside its folder, received {name!r}; it is refused")
    return folder.joinpath(*parts)


def fetch(uri: str, into: Path, *, max_bytes: int, sha256: str | None = None) -> Path:
    """One file, made local: a local path stays where it is, anything else is downloaded to `into/<last name>`.

    Raises:
        UserError: missing, forbidden, unreachable, larger than `max_bytes`, or of another SHA-256.
    """
    if not is_remote(uri):
        return _checked_local(Path(uri), max_bytes, sha256)
    path = buckets.object_of(uri) if uri.startswith("gs://") else urllib.parse.unquote(urllib.parse.urlsplit(uri).path)
    target = safe_path(into, path.rpartition("/")[2])
    into.mkdir(parents=True, exist_ok=True)
    with _temporary_beside(target) as handle:
        if uri.startswith("gs://"):
            with buckets.connect(uri) as client:
                blob = client.bucket(buckets.bucket_of(uri)).get_blob(buckets.object_of(uri), retry=buckets.retry_policy())
                if blob is None:
                    raise UserError(f"{uri}: no such object")
                _check_size(uri, blob.size, max_bytes)
                buckets.download(blob, handle)
        else:
            _download_http(uri, handle, max_bytes)
        _check_sha256(without_secrets(uri), Path(handle.name), sha256)
    return target


def fetch_tree(uri: str, into: Path, *, max_bytes: int) -> Path:
    """Every object under `gs://bucket/prefix`, as files of the same relative names in `into` (absent or empty); returns `into`.

    Raises:
        UserError: nothing under the prefix, forbidden, unreachable, more than `max_bytes` together, or a name that leaves `into`.
    """
    with buckets.connect(uri) as client, whole_folder(into) as partial:
        blobs = dict(buckets.list_blobs(client, uri))
        if not blobs:
            raise UserError(f"{uri}: expected objects under this prefix, found none")
        _check_size(uri, sum(blob.size for blob in blobs.values()), max_bytes)
        targets = {safe_path(partial, name): blob for name, blob in blobs.items()}
        with ThreadPoolExecutor(DOWNLOAD_THREADS) as pool:
            for _ in pool.map(buckets.download_to, targets.values(), targets.keys()):
                pass
    return into


def list_names(uri: str) -> list[str]:
    """Names of all files below a local folder, or of all objects under a gs:// prefix: relative to it, with `/`, sorted.

    A missing folder or prefix has no names.
    """
    if uri.startswith("gs://"):
        with buckets.connect(uri) as client:
            return sorted(name for name, _ in buckets.list_blobs(client, uri))
    folder = Path(uri)
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def read_bytes(uri: str) -> bytes:
    """A small file or object, whole.

    Raises:
        UserError: missing, forbidden or unreachable.
    """
    if uri.startswith("gs://"):
        with buckets.connect(uri) as client:
            return buckets.blob_at(client, uri).download_as_bytes(retry=buckets.retry_policy())
    try:
        return Path(uri).read_bytes()
    except FileNotFoundError:
        raise UserError(f"{uri}: no such file") from None


def _checked_local(path: Path, max_bytes: int, sha256: str | None) -> Path:
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    _check_size(str(path), path.stat().st_size, max_bytes)
    _check_sha256(str(path), path, sha256)
    return path


def _check_size(where: str, size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise UserError(f"{where}: expected at most {max_bytes} bytes, received {size}; raise the limit if you trust the source")


def _check_sha256(where: str, path: Path, expected: str | None) -> None:
    if not expected:
        return
    with path.open("rb") as handle:
        received = hashlib.file_digest(handle, "sha256").hexdigest()
    if received != expected.lower():
        raise UserError(f"{where}: expected sha256 {expected}, received {received}")


@contextlib.contextmanager
def _temporary_beside(target: Path) -> Iterator[BinaryIO]:
    """A file that takes `target`'s name when the body ends well, and vanishes when it does not."""
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}-", delete=False) as handle:
        temporary = Path(handle.name)
        try:
            yield handle  # type: ignore[misc]
            handle.close()
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


def _download_http(uri: str, handle: BinaryIO, max_bytes: int) -> None:
    """Streams the body as sent: a `.tgz` stays one, whatever Content-Encoding a server claims for it."""
    shown = without_secrets(uri)
    try:
        with requests.get(
            uri, stream=True, timeout=(CONNECT_DEADLINE_S, READ_DEADLINE_S), headers={"Accept-Encoding": "identity"}
        ) as response:
            if response.status_code != requests.codes.ok:
                raise UserError(f"{shown}: expected status 200, received {response.status_code} {response.reason}")
            _check_size(shown, int(response.headers.get("Content-Length", 0)), max_bytes)
            received = 0
            for chunk in response.raw.stream(CHUNK_BYTES, decode_content=False):
                received += len(chunk)
                _check_size(shown, received, max_bytes)
                handle.write(chunk)
            handle.flush()
    except requests.RequestException as error:
        raise UserError(f"{shown}: cannot be reached: {type(error).__name__}; check the address and the network") from None
    except urllib3.exceptions.HTTPError as error:
        raise UserError(f"{shown}: the download broke off: {type(error).__name__}; try again") from None
