"""Files wherever they lie: local paths, `gs://bucket/object` and `http(s)://`. The only module that talks to Google Cloud Storage.

A download is whole or not there: bytes go to a temporary name beside the target, are counted against a limit while they stream,
checked, and renamed. With STORAGE_EMULATOR_HOST set, `gs://` means that emulator, without credentials.
"""

import contextlib
import hashlib
import os
import re
import tempfile
import urllib.parse
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO

import requests
import urllib3

from components.common.errors import UserError
from components.common.whole import whole_folder

if TYPE_CHECKING:
    from google.cloud import storage

CONNECT_DEADLINE_S = 10
READ_DEADLINE_S = 60
RETRY_DEADLINE_S = 30
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
    path = _object(uri) if uri.startswith("gs://") else urllib.parse.unquote(urllib.parse.urlsplit(uri).path)
    target = safe_path(into, path.rpartition("/")[2])
    into.mkdir(parents=True, exist_ok=True)
    with _temporary_beside(target) as handle:
        if uri.startswith("gs://"):
            with connect(uri) as client:
                blob = client.bucket(_bucket(uri)).get_blob(_object(uri), retry=retry_policy())
                if blob is None:
                    raise UserError(f"{uri}: no such object")
                _check_size(uri, blob.size, max_bytes)
                _download_blob(blob, handle)
        else:
            _download_http(uri, handle, max_bytes)
        _check_sha256(without_secrets(uri), Path(handle.name), sha256)
    return target


def fetch_tree(uri: str, into: Path, *, max_bytes: int) -> Path:
    """Every object under `gs://bucket/prefix`, as files of the same relative names in `into` (absent or empty); returns `into`.

    Raises:
        UserError: nothing under the prefix, forbidden, unreachable, more than `max_bytes` together, or a name that leaves `into`.
    """
    with connect(uri) as client, whole_folder(into) as partial:
        blobs = dict(list_blobs(client, uri))
        if not blobs:
            raise UserError(f"{uri}: expected objects under this prefix, found none")
        _check_size(uri, sum(blob.size for blob in blobs.values()), max_bytes)
        targets = {safe_path(partial, name): blob for name, blob in blobs.items()}
        with ThreadPoolExecutor(DOWNLOAD_THREADS) as pool:
            for _ in pool.map(_download_to, targets.values(), targets.keys()):
                pass
    return into


def list_names(uri: str) -> list[str]:
    """Names of all files below a local folder, or of all objects under a gs:// prefix: relative to it, with `/`, sorted.

    A missing folder or prefix has no names.
    """
    if uri.startswith("gs://"):
        with connect(uri) as client:
            return sorted(name for name, _ in list_blobs(client, uri))
    folder = Path(uri)
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def read_bytes(uri: str) -> bytes:
    """A small file or object, whole.

    Raises:
        UserError: missing, forbidden or unreachable.
    """
    if uri.startswith("gs://"):
        with connect(uri) as client:
            return blob_at(client, uri).download_as_bytes(retry=retry_policy())
    try:
        return Path(uri).read_bytes()
    except FileNotFoundError:
        raise UserError(f"{uri}: no such file") from None


def upload(path: Path, uri: str, *, if_absent: bool = False) -> bool:
    """One local file to `gs://bucket/object`. With `if_absent`, False says that the name was taken and nothing was written.

    Raises:
        UserError: no such bucket, forbidden, unreachable.
    """
    from google.api_core.exceptions import PreconditionFailed

    with connect(uri) as client:
        blob = blob_at(client, uri)
        if if_absent and blob.exists(retry=retry_policy()):
            return False
        try:
            blob.upload_from_filename(str(path), if_generation_match=0 if if_absent else None, retry=retry_policy())
        except PreconditionFailed:
            return False
    return True


def read_generation(uri: str) -> tuple[bytes, int]:
    """A small object, whole, and its generation, which every write changes; (b"", 0) where there is none.

    Raises:
        UserError: no such bucket, forbidden, unreachable.
    """
    from google.api_core.exceptions import NotFound, PreconditionFailed

    with connect(uri) as client:
        bucket = client.bucket(_bucket(uri))
        while blob := bucket.get_blob(_object(uri), retry=retry_policy()):
            generation = int(blob.generation)  # a download sets the blob's own anew
            with contextlib.suppress(NotFound, PreconditionFailed):  # written anew or deleted meanwhile
                return blob.download_as_bytes(if_generation_match=generation, retry=retry_policy()), generation
        if not bucket.exists(retry=retry_policy()):
            raise UserError(f"{uri}: no such bucket or object")
        return b"", 0


def write_generation(uri: str, content: bytes, generation: int) -> bool:
    """Writes a small object where its generation is still `generation` (0: where there is none); False where it is not.

    A write that came through although its answer was lost counts as done.

    Raises:
        UserError: no such bucket, forbidden, unreachable.
    """
    from google.api_core.exceptions import PreconditionFailed

    with connect(uri) as client:
        blob = blob_at(client, uri)
        try:
            blob.upload_from_string(content, if_generation_match=generation, retry=retry_policy())
        except PreconditionFailed:
            return read_generation(uri)[0] == content
    return True


def delete(uri: str, generation: int | None = None) -> None:
    """Deletes an object, given a `generation` that one alone; one that is not there, or is another by now, is fine.

    Raises:
        UserError: no such bucket, forbidden, unreachable.
    """
    from google.api_core.exceptions import NotFound, PreconditionFailed

    with connect(uri) as client, contextlib.suppress(NotFound, PreconditionFailed):
        blob_at(client, uri).delete(if_generation_match=generation, retry=retry_policy())


def delete_tree(uri: str) -> None:
    """Deletes every object under `gs://bucket/prefix/`; none there is fine. A bucket as a whole is refused.

    Raises:
        UserError: no prefix, no such bucket, forbidden, unreachable.
    """
    prefix = f"{_object(uri)}/"
    with connect(uri) as client:
        for blob in list(client.list_blobs(_bucket(uri), prefix=prefix, retry=retry_policy())):
            blob.delete(retry=retry_policy())


@contextlib.contextmanager
def connect(uri: str) -> Iterator["storage.Client"]:
    """A client for one operation on `uri`, whose failures become `UserError`s that name `uri`."""
    try:
        from google.api_core.exceptions import Forbidden, GoogleAPICallError, NotFound, RetryError, Unauthorized
        from google.auth.credentials import AnonymousCredentials
        from google.auth.exceptions import DefaultCredentialsError, RefreshError, TransportError
        from google.cloud import storage
    except ModuleNotFoundError:  # as in the client's image, which is half the size without it
        raise UserError(f"{uri}: gs:// needs google-cloud-storage, which is not installed; pip install 'marque[cloud]'") from None

    try:
        if os.environ.get("STORAGE_EMULATOR_HOST"):
            client = storage.Client(project="emulator", credentials=AnonymousCredentials())  # type: ignore[no-untyped-call]
        else:
            client = storage.Client()
        with contextlib.closing(client):
            yield client
    except NotFound:
        raise UserError(f"{uri}: no such bucket or object") from None
    except (Forbidden, Unauthorized, RefreshError):
        raise UserError(f"{uri}: access denied; check the rights of the account you are signed in with") from None
    except DefaultCredentialsError:
        raise UserError(f"{uri}: no Google credentials; run `gcloud auth application-default login`") from None
    except (RetryError, TransportError, requests.ConnectionError, requests.Timeout):
        raise UserError(f"{uri}: the storage service cannot be reached; check the network and STORAGE_EMULATOR_HOST") from None
    except GoogleAPICallError as error:
        raise UserError(f"{uri}: the storage service answered {error.code} {error.message}") from None


def blob_at(client: "storage.Client", uri: str) -> "storage.Blob":
    """The object `gs://bucket/object`, whether it is there or not.

    Raises:
        UserError: an address of another kind.
    """
    return client.bucket(_bucket(uri)).blob(_object(uri))


def list_blobs(client: "storage.Client", uri: str) -> Iterable[tuple[str, "storage.Blob"]]:
    """(name relative to the prefix, object), without the empty objects that stand for folders."""
    prefix = uri.removeprefix("gs://").partition("/")[2].strip("/")
    prefix = f"{prefix}/" if prefix else ""
    for blob in client.list_blobs(_bucket(uri), prefix=prefix, retry=retry_policy()):
        if not blob.name.endswith("/"):
            yield blob.name.removeprefix(prefix), blob


def retry_policy() -> Any:
    """How often a call to the storage service is made again."""
    from google.cloud.storage.retry import DEFAULT_RETRY

    return DEFAULT_RETRY.with_timeout(RETRY_DEADLINE_S)


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


def _bucket(uri: str) -> str:
    bucket = urllib.parse.urlsplit(uri).netloc
    if not uri.startswith("gs://") or not bucket:
        raise UserError(f"expected gs://bucket/object, received {uri!r}")
    return bucket


def _object(uri: str) -> str:
    _bucket(uri)
    name = uri.removeprefix("gs://").partition("/")[2].strip("/")
    if not name:
        raise UserError(f"expected gs://bucket/object, received {uri!r}: the part after the bucket is missing")
    return name


def _download_to(blob: "storage.Blob", target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as handle:
        _download_blob(blob, handle)


def _download_blob(blob: "storage.Blob", handle: BinaryIO) -> None:
    """`raw_download`: an object stored as gzip must not grow past the size that was checked."""
    blob.download_to_file(handle, raw_download=True, if_generation_match=blob.generation, retry=retry_policy())
    handle.flush()
