"""Versions that leave a repository: whole to whoever looks until they are gone, in the wink of a rename or of one deleted object.

The number of a version that was withdrawn is never given again (`.claims`): to a server, the same number is the same model.
"""

import contextlib
import shutil
from pathlib import Path

from components.common import buckets, storage
from components.common.repository import GRAPH, complete_versions, is_version
from components.deploy.labels import State
from components.deploy.places import is_bucket
from components.deploy.publish import CLAIMS, PUBLISHING

WITHDRAWN = ".withdrawn-"


def withdraw(root: str, version: int) -> None:
    """Takes a version out of the model at `root`; none there is fine.

    Raises:
        UserError: a bucket that cannot be changed.
    """
    if is_bucket(root):
        buckets.delete(f"{root}/{version}/{GRAPH}")
        buckets.delete_tree(f"{root}/{version}")
        return
    claim, gone = Path(root) / CLAIMS / str(version), Path(root) / f"{WITHDRAWN}{version}"
    claim.parent.mkdir(exist_ok=True)
    claim.touch()
    with contextlib.suppress(FileNotFoundError):
        (Path(root) / str(version)).rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def remove_leftovers(root: str) -> None:
    """Removes what killed deploys left behind; nobody else may be publishing.

    Raises:
        UserError: a bucket that cannot be changed.
    """
    if is_bucket(root):
        names = storage.list_names(root)
        claimed = {int(name.removeprefix(f"{CLAIMS}/")) for name in names if is_version(name.removeprefix(f"{CLAIMS}/"))}
        there = {int(part) for name in names for part in name.split("/")[:1] if is_version(part)}
        for version in (there & claimed) - set(complete_versions(names)):
            buckets.delete_tree(f"{root}/{version}")
        return
    for path in Path(root).iterdir():
        if path.name.startswith((PUBLISHING, WITHDRAWN)):
            shutil.rmtree(path, ignore_errors=True)


def keep_last(root: str, state: State, keep: int) -> list[int]:
    """Removes all but the newest `keep` versions up to the stable one, it included, and returns which.

    What a label points to, what the config loads and what is newer than the stable one stays, whatever `keep` says.

    Raises:
        UserError: a bucket that cannot be changed.
    """
    if state.stable is None:
        return []
    older = [version for version in complete_versions(storage.list_names(root)) if version <= state.stable]
    removed = [version for version in older[:-keep] if version not in state.versions]
    for version in removed:
        withdraw(root, version)
    return removed
