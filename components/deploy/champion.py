"""Which published version a new model has to beat."""

from components.common import storage
from components.common.errors import UserError
from components.common.repository import complete_versions
from components.deploy.labels import Labels
from components.deploy.places import config_of, root_of

NEWEST = "newest"
NONE = "none"


def find(repository: str, model: str, champion: str = NEWEST) -> str:
    """The address of the version `<repository>/<model>/<integer>` that `champion` names; "" where there is none to beat.

    Args:
        repository: a local folder or `gs://bucket/path`.
        model: the name under which it is published.
        champion: `newest`, `none`, a version's number, or the address of an evaluation or a SavedModel anywhere, which is returned.
            `newest` is what clients get: the version that the label stable points to, and without labels the newest.

    Raises:
        UserError: no such version, a bucket or a models.config that cannot be read.
    """
    if champion == NONE:
        return ""
    if "/" in champion:
        return champion
    root = root_of(repository, model)
    versions = list(map(str, complete_versions(storage.list_names(root))))
    if champion == NEWEST:
        stable = str(Labels(config_of(repository), model, root).state.stable)
        found = stable if stable in versions else versions[-1] if versions else ""
        return f"{root}/{found}" if found else ""
    if champion not in versions:  # neither "" nor a slip of the pen
        raise UserError(
            f"champion: expected {NEWEST}, {NONE}, an address, or a version in {root} ({', '.join(versions) or 'none there'}), "
            f"received {champion}"
        )
    return f"{root}/{champion}"
