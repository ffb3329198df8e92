"""What the user named (photos, folders, patterns, addresses) as a list of photos."""

import glob
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from components.common.errors import UserError
from serving.client.photo import PhotoLike, check_address, is_address, name_of

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
_ANY_DEPTH = re.compile(r"(?:^|(?<=/))\*\*(?:/+|$)")


def expand(arguments: Iterable[str]) -> list[tuple[str, PhotoLike]]:
    """(name for people, photo) of every photo, in the order given; those of a folder or a pattern by name.

    A folder stands for the photos in it at any depth, `gs://bucket/folder/` too; hidden files are left out, and
    links to folders not followed. A path to nothing is kept: it fails as a photo does.

    Raises:
        UserError: nothing, a folder or a pattern without photos; or the bucket cannot be read.
    """
    found: list[tuple[str, PhotoLike]] = []
    for argument in arguments:
        if not argument:
            raise UserError("expected a photo, a folder, a pattern or an address, received ''")
        photos = _expanded(argument)
        if not photos:
            raise UserError(f"{argument}: expected photos ({', '.join(SUFFIXES)}), found none")
        found += [(name_of(photo, 1).encode("utf-8", "backslashreplace").decode(), photo) for photo in photos]
    return found


def _expanded(argument: str) -> list[str]:
    if argument.startswith("gs://") and argument.endswith("/"):
        from components.common.storage import list_names

        check_address(argument, argument)
        return [argument + name for name in list_names(argument) if _is_photo(name)]
    if is_address(argument):
        return [argument]
    path = Path(argument)
    if path.is_dir():
        inside = (file.relative_to(path) for file in path.rglob("*") if file.is_file())
        return [str(path / file) for file in sorted(inside) if _is_photo(file.as_posix())]
    if glob.has_magic(argument) and not path.exists():
        return sorted({name for name in _matches(argument) if Path(name).is_file()})
    return [argument]


def _matches(pattern: str) -> Iterator[str]:
    """As `glob.iglob`, but `**` stands for folders alone and follows no links, which may lead in a circle."""
    before, *after = _ANY_DEPTH.split(pattern, maxsplit=1)
    if not after:
        yield from glob.iglob(pattern)  # noqa: PTH207
        return
    for top in glob.iglob(before) if before else ["."]:  # noqa: PTH207
        for folder, inside, _ in os.walk(top):
            inside[:] = [name for name in inside if not name.startswith(".")]
            shown = folder if before else os.path.relpath(folder)
            yield from _matches(os.path.join(glob.escape("" if shown == "." else shown), after[0] or "*"))  # noqa: PTH118


def _is_photo(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not any(part.startswith(".") for part in name.split("/"))
