"""Which published version a new model has to beat."""

from pathlib import Path

from components.common import storage
from components.common.errors import UserError
from components.common.repository import complete_versions

NEWEST = "newest"
NONE = "none"


def find(repository: str, model: str, champion: str = NEWEST) -> str:
    """The address of the version `<repository>/<model>/<integer>` that `champion` names; "" where there is none to beat.

    Args:
        repository: a local folder or `gs://bucket/path`.
        model: the name under which it is published.
        champion: `newest`, `none`, a version's number, or the address of an evaluation or a SavedModel anywhere, which is returned.

    Raises:
        UserError: no such version, or a bucket that cannot be read.
    """
    if champion == NONE:
        return ""
    if "/" in champion:
        return champion
    root = f"{repository.rstrip('/')}/{model}" if repository.startswith("gs://") else str(Path(repository).absolute() / model)
    versions = list(map(str, complete_versions(storage.list_names(root))))
    if champion == NEWEST:
        return f"{root}/{versions[-1]}" if versions else ""
    if champion not in versions:  # neither "" nor a slip of the pen
        raise UserError(
            f"champion: expected {NEWEST}, {NONE}, an address, or a version in {root} ({', '.join(versions) or 'none there'}), "
            f"received {champion}"
        )
    return f"{root}/{champion}"
