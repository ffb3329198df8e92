"""Objects in buckets of Google Cloud Storage: `gs://bucket/object`. The only module that talks to it.

With STORAGE_EMULATOR_HOST set, that emulator is meant, without credentials.
"""

import contextlib
import os
import urllib.parse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import requests

from components.common.errors import UserError

if TYPE_CHECKING:
    from google.cloud import storage

RETRY_DEADLINE_S = 30


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
        bucket = client.bucket(bucket_of(uri))
        while blob := bucket.get_blob(object_of(uri), retry=retry_policy()):
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
    prefix = f"{object_of(uri)}/"
    with connect(uri) as client:
        for blob in list(client.list_blobs(bucket_of(uri), prefix=prefix, retry=retry_policy())):
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
    return client.bucket(bucket_of(uri)).blob(object_of(uri))


def list_blobs(client: "storage.Client", uri: str) -> Iterable[tuple[str, "storage.Blob"]]:
    """(name relative to the prefix, object), without the empty objects that stand for folders."""
    prefix = uri.removeprefix("gs://").partition("/")[2].strip("/")
    prefix = f"{prefix}/" if prefix else ""
    for blob in client.list_blobs(bucket_of(uri), prefix=prefix, retry=retry_policy()):
        if not blob.name.endswith("/"):
            yield blob.name.removeprefix(prefix), blob


def retry_policy() -> Any:
    """How often a call to the storage service is made again."""
    from google.cloud.storage.retry import DEFAULT_RETRY

    return DEFAULT_RETRY.with_timeout(RETRY_DEADLINE_S)


def download(blob: "storage.Blob", handle: BinaryIO) -> None:
    """Writes an object, as it is stored, to `handle`: one stored as gzip must not grow past the size that was checked."""
    blob.download_to_file(handle, raw_download=True, if_generation_match=blob.generation, retry=retry_policy())
    handle.flush()


def download_to(blob: "storage.Blob", target: Path) -> None:
    """The same into the file `target`, whose folders are made."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as handle:
        download(blob, handle)


def bucket_of(uri: str) -> str:
    """The bucket of `gs://bucket/...`.

    Raises:
        UserError: an address of another kind.
    """
    bucket = urllib.parse.urlsplit(uri).netloc
    if not uri.startswith("gs://") or not bucket:
        raise UserError(f"expected gs://bucket/object, received {uri!r}")
    return bucket


def object_of(uri: str) -> str:
    """The object, or prefix, of `gs://bucket/object`.

    Raises:
        UserError: an address of another kind, or of a bucket alone.
    """
    bucket_of(uri)
    name = uri.removeprefix("gs://").partition("/")[2].strip("/")
    if not name:
        raise UserError(f"expected gs://bucket/object, received {uri!r}: the part after the bucket is missing")
    return name
