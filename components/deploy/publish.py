"""A SavedModel becomes the next integer version of a model in a repository, whole or not at all.

A server sees a version only when all of it is there, and two publishers never share a number:

- In a local folder the copy is made under a name that is no number, which TF Serving ignores, and renamed when it is complete. The
  number of a version that was withdrawn is in `<model>/.claims`.
- In a bucket, which has no such rename, a publisher claims a number by creating the object `<model>/.claims/<version>`, which can
  succeed only once; it holds the fingerprint of the model. `saved_model.pb`, without which nothing loads, goes up last.
"""

import errno
import itertools
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from components.common import buckets, storage
from components.common.errors import UserError
from components.common.evaluation import PUBLISHED
from components.common.fingerprint import fingerprint
from components.common.repository import GRAPH, complete_versions, is_version
from components.deploy.places import is_bucket, root_of

CLAIMS = ".claims"
PUBLISHING = ".publishing-"
_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Published:
    """Where a version lies, and whether it is new or was there with the same model."""

    uri: str
    version: int
    new: bool


def publish(saved_model: Path, repository: str, model: str, check: Callable[[], None] = lambda: None) -> Published:
    """Publishes the folder `saved_model` as the next version of `model`; the newest version is kept if it holds the same model: the
    same bytes but for the model card and the evaluation. `check` raises where this must not be published any more; in a bucket it
    is asked before the version is whole.

    Raises:
        UserError: no SavedModel there, a model name that is no plain name, or a repository that cannot be written.
    """
    check_inputs(saved_model, model)
    root = root_of(repository, model)
    if is_bucket(root):
        return _publish_bucket(saved_model, root, check)
    try:
        return _publish_local(saved_model, Path(root))
    except OSError as error:
        raise UserError(f"{repository}: the model cannot be copied there: {reason(error)}") from None


def check_inputs(saved_model: Path, model: str) -> None:
    """Raises UserError where `saved_model` is no SavedModel, or `model` no plain name."""
    if not (saved_model / GRAPH).is_file():
        raise UserError(f"{saved_model}: expected a SavedModel folder, found no {GRAPH}; run export")
    if not _MODEL_NAME.fullmatch(model):
        raise UserError(f"expected a model name of letters, digits, '.', '_' and '-', received {model!r}")


def reason(error: OSError) -> str:
    """Why a copy failed, in one line; of a tree, the first of all reasons."""
    return str(error.args[0][0][-1] if isinstance(error, shutil.Error) else error)


def _publish_local(saved_model: Path, folder: Path) -> Published:
    folder.mkdir(parents=True, exist_ok=True)
    versions = {int(path.name): path for path in folder.iterdir() if is_version(path.name)}
    newest = max(versions, default=0)
    if versions and _fingerprint(versions[newest]) == _fingerprint(saved_model):
        return Published(str(versions[newest]), newest, new=False)
    taken = [newest, *(int(path.name) for path in (folder / CLAIMS).glob("*") if is_version(path.name))]
    with tempfile.TemporaryDirectory(prefix=PUBLISHING, dir=folder) as scratch:
        copy = shutil.copytree(saved_model, Path(scratch) / "version")
        version = next(number for number in itertools.count(max(taken) + 1) if _rename_if_free(copy, folder / str(number)))
    return Published(str(folder / str(version)), version, new=True)


def _rename_if_free(folder: Path, target: Path) -> bool:
    try:
        folder.rename(target)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            return False
        raise
    return True


def _publish_bucket(saved_model: Path, root: str, check: Callable[[], None]) -> Published:
    names = storage.list_names(root)
    newest, content = max(complete_versions(names), default=0), _fingerprint(saved_model)
    if f"{CLAIMS}/{newest}" in names and storage.read_bytes(f"{root}/{CLAIMS}/{newest}").decode() == content:
        return Published(f"{root}/{newest}", newest, new=False)
    taken = [int(part) for name in names for part in name.removeprefix(f"{CLAIMS}/").split("/")[:1] if is_version(part)]
    version = _claim(root, max(taken, default=0) + 1, content)
    try:
        for path in sorted(path for path in saved_model.rglob("*") if path.is_file() and path != saved_model / GRAPH):
            buckets.upload(path, f"{root}/{version}/{path.relative_to(saved_model).as_posix()}")
        check()
        buckets.upload(saved_model / GRAPH, f"{root}/{version}/{GRAPH}")
    except BaseException:
        buckets.delete_tree(f"{root}/{version}")
        raise
    return Published(f"{root}/{version}", version, new=True)


def _claim(root: str, first: int, content: str) -> int:
    """The first free number from `first` on, ours from now on. A claim outlives a failed upload: its number is skipped."""
    with tempfile.TemporaryDirectory() as scratch:
        claim = Path(scratch) / "claim"
        claim.write_text(content, "utf-8")
        claims = ((number, f"{root}/{CLAIMS}/{number}") for number in itertools.count(first))
        return next(number for number, uri in claims if buckets.upload(claim, uri, if_absent=True))


def _fingerprint(folder: Path) -> str:
    return fingerprint(folder, without=PUBLISHED.values())
