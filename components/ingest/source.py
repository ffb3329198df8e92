"""A source's address -> its listing, with every byte on this machine.

    PATH              a folder in the Stanford layout or with annotations.csv, or an archive (.tgz, .tar.gz, .tar, .zip) of either
    gs://BUCKET/...   such a folder (everything under the prefix) or such an archive
    https://...       such an archive
    toy://?...        drawn cars, see `toy/write.py`

Whatever is fetched, unpacked or drawn goes into a scratch folder, which must last as long as the listing is used.
"""

from pathlib import Path

from components.common import storage
from components.common.errors import UserError
from components.ingest.archive import SUFFIXES, unpack
from components.ingest.folder import is_folder, read_folder
from components.ingest.listing import Listing
from components.ingest.stanford import is_stanford, read_stanford
from components.ingest.toy.write import parse_query, write_toy

LAYOUTS = "cars_train, cars_test and car_devkit (folders or archives: Stanford's layout), or annotations.csv beside photos"


def open_source(uri: str, scratch: Path, *, max_bytes: int, sha256: str = "") -> Listing:
    """Fetches, unpacks and lists a source. `max_bytes` bounds a download and each unpacked archive; `sha256` is an archive's.

    Raises:
        UserError: nothing there, no known layout, a damaged, dangerous or too large archive, or another SHA-256.
    """
    if sha256 and not _is_archive(uri):
        raise UserError(f"{uri}: sha256 expects a single archive ({', '.join(SUFFIXES)}), received another kind of source")
    if uri.startswith("toy:"):
        folder = write_toy(scratch / "toy", parse_query(uri))
    elif _is_archive(uri):
        archive = storage.fetch(uri, scratch / "download", max_bytes=max_bytes, sha256=sha256)
        folder = unpack(archive, scratch / "unpacked", max_bytes=max_bytes)
    elif uri.startswith("gs://"):
        folder = storage.fetch_tree(uri, scratch / "tree", max_bytes=max_bytes)
    else:
        folder = _local_folder(uri)
    return _read(uri, _descend(folder), scratch / "parts", max_bytes)


def _is_archive(uri: str) -> bool:
    return uri.startswith(("http://", "https://")) or (uri.endswith(SUFFIXES) and not Path(uri).is_dir()) or Path(uri).is_file()


def _local_folder(uri: str) -> Path:
    if "://" in uri:
        raise UserError(f"{uri}: expected a path, gs://, https:// or toy://, received {uri.partition('://')[0]}://")
    folder = Path(uri)
    if not folder.is_dir():
        raise UserError(f"{uri}: no such folder or archive")
    return folder


def _descend(folder: Path) -> Path:
    """Past folders that hold nothing but one folder, as archives often do."""
    while not is_stanford(folder) and not is_folder(folder):
        entries = list(folder.iterdir())
        if len(entries) != 1 or not entries[0].is_dir():
            break
        folder = entries[0]
    return folder


def _read(uri: str, folder: Path, scratch: Path, max_bytes: int) -> Listing:
    if is_stanford(folder):
        return read_stanford(folder, scratch, max_bytes=max_bytes)
    if is_folder(folder):
        return read_folder(folder)
    found = ", ".join(sorted(path.name for path in folder.iterdir())[:5]) or "an empty folder"
    raise UserError(f"{storage.without_secrets(uri)}: expected {LAYOUTS}; found {found}")
