"""The versions below a base path, local or gs://, and a local folder of each.

As in TF Serving a version is a folder named by an integer and every other name is ignored; without `saved_model.pb`, which arrives
last, it is not there yet.
"""

import shutil
from pathlib import Path

from components.common.errors import UserError
from components.common.repository import GRAPH, complete_versions, is_version
from components.common.storage import fetch_tree, list_names

MAX_VERSION = (1 << 63) - 1
MAX_MODEL_BYTES = 16 << 30


def find_versions(base_path: str) -> list[int]:
    """The complete versions, smallest first.

    Raises:
        UserError: no such folder, or a storage service that cannot be reached.
    """
    if base_path.startswith("gs://"):
        return [version for version in complete_versions(list_names(base_path)) if version <= MAX_VERSION]
    folder = Path(base_path)
    if not folder.is_dir():
        raise UserError(f"{folder}: expected a folder of versions, found none; deploy a model first, or mount it there")
    return sorted(_local_versions(folder))


def version_folder(base_path: str, version: int, cache: Path) -> Path:
    """The local folder of a version; one of a bucket is fetched, whole or not at all, and kept in `cache`.

    Raises:
        UserError: it has gone, or cannot be fetched.
    """
    if base_path.startswith("gs://"):
        uri = f"{base_path.rstrip('/')}/{version}"
        folder = cache / uri.removeprefix("gs://")
        return folder if folder.is_dir() else fetch_tree(uri, folder, max_bytes=MAX_MODEL_BYTES)
    found = _local_versions(Path(base_path))
    if version not in found:
        raise UserError(f"{base_path}: expected version {version}, it has gone")
    return found[version]


def forget_folder(base_path: str, version: int, cache: Path) -> None:
    """Removes what was fetched of a version."""
    if base_path.startswith("gs://"):
        shutil.rmtree(cache / f"{base_path.rstrip('/')}/{version}".removeprefix("gs://"), ignore_errors=True)


def fingerprint(base_path: str, version: int) -> tuple[object, ...]:
    """Differs when the files of a version do: names, sizes and times of change (names alone in a bucket)."""
    if base_path.startswith("gs://"):
        return tuple(list_names(f"{base_path.rstrip('/')}/{version}"))
    folder = _local_versions(Path(base_path)).get(version)
    stats = ((path, path.stat()) for path in sorted(folder.rglob("*")) if path.exists()) if folder else ()
    return tuple((str(path), stat.st_size, stat.st_mtime_ns) for path, stat in stats)


def check_model(repository: Path, model: str) -> None:
    """Says what is wrong with a repository that cannot serve `model`.

    Raises:
        UserError: no such repository or model, a name that is a path, or a model without a complete version.
    """
    if model in ("", ".", "..") or "/" in model or "\0" in model:
        raise UserError(f"expected the name of a model, a folder in {repository}, received {model!r}; choose one with --model")
    if not repository.is_dir():
        raise UserError(f"{repository}: expected a model repository (a folder), found none; deploy a model first")
    folder = repository / model
    if not folder.is_dir():
        found = ", ".join(sorted(path.name for path in repository.iterdir() if path.is_dir())) or "none"
        raise UserError(f"{repository}: expected a model named {model!r}, found {found}; choose one with --model")
    if _local_versions(folder):
        return
    begun = [path for path in folder.iterdir() if is_version(path.name) and path.is_dir()]
    if begun:
        raise UserError(f"{begun[0]}: expected a SavedModel, found no saved_model.pb; remove the folder or deploy again")
    raise UserError(f"{folder}: expected a folder named by an integer version, found none; deploy a model first")


def _local_versions(folder: Path) -> dict[int, Path]:
    folders = {int(path.name): path for path in folder.iterdir() if is_version(path.name) and (path / GRAPH).is_file()}
    return {version: path for version, path in folders.items() if version <= MAX_VERSION}
