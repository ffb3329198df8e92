"""A source's address -> its listing, with every byte on this machine.

    PATH              a folder in the Stanford layout or with annotations.csv, or an archive (.tgz, .tar.gz, .tar, .zip) of either
    gs://BUCKET/...   such a folder (everything under the prefix) or such an archive
    http(s)://...     such an archive
    toy://?...        drawn cars, see `toy/write.py`

Whatever is fetched, unpacked or drawn goes into a scratch folder, which must last as long as the listing is used.
"""

import urllib.parse
from pathlib import Path

from components.common import storage
from components.common.errors import UserError
from components.ingest.archive import SUFFIXES, unpack
from components.ingest.folder import ANNOTATIONS, is_folder, read_folder
from components.ingest.listing import Listing
from components.ingest.stanford import is_stanford, read_stanford
from components.ingest.toy.write import parse_query, write_toy

KINDS = "a path, gs://, http(s):// or toy://"
SCHEMES = ("gs", "http", "https", "toy")
LAYOUTS = "cars_train, cars_test and car_devkit (folders or archives: Stanford's layout), or annotations.csv beside photos"
MIN_CLASSES = 2


def open_source(uri: str, scratch: Path, *, max_bytes: int, sha256: str = "") -> Listing:
    """Fetches, unpacks and lists a source. `max_bytes` bounds a download and each unpacked archive; `sha256` is an archive's.

    Raises:
        UserError: no such kind of source, nothing there, no known layout, a damaged, dangerous or too large archive, another
            SHA-256, no photos, or a single class.
    """
    _check_address(uri)
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
    listing = _read(uri, _descend(folder), scratch / "parts", max_bytes)
    if not listing.photos:
        raise UserError(f"{storage.without_secrets(uri)}: expected labelled photos, but the source lists no photos")
    if len(listing.classes) < MIN_CLASSES:
        raise UserError(f"{storage.without_secrets(uri)}: expected at least {MIN_CLASSES} classes, received {listing.classes}")
    return listing


def _check_address(uri: str) -> None:
    if not uri:
        raise UserError(f"source: expected {KINDS}, received nothing")
    scheme, separator, _ = uri.partition("://")
    if separator and scheme not in SCHEMES:
        raise UserError(f"source: expected {KINDS}, received {uri!r}")
    if uri.startswith(("http://", "https://")):
        _check_names_a_file(uri)
    if Path(uri).name == ANNOTATIONS and Path(uri).is_file():
        raise UserError(f"{uri}: expected a folder or an archive, received a file of the folder; give {Path(uri).parent} instead")


def _check_names_a_file(address: str) -> None:
    expected = "source: expected the address of an archive, as https://host/cars.tgz"
    try:
        shown = storage.without_secrets(address)
    except ValueError as error:
        raise UserError(f"{expected}: {error}") from None
    parts = urllib.parse.urlsplit(shown)
    if not parts.netloc or not parts.path.rpartition("/")[2]:
        raise UserError(f"{expected}, received {shown!r}")


def _is_archive(uri: str) -> bool:
    return uri.startswith(("http://", "https://")) or (uri.endswith(SUFFIXES) and not Path(uri).is_dir()) or Path(uri).is_file()


def _local_folder(uri: str) -> Path:
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
