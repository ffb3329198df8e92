"""Which version of a model a repository holds: `<repository>/<model>/<integer version>/saved_model.pb`.

As in TF Serving, the highest integer is served and every other name is ignored, so that a half-copied version may lie under a
name that is no number.
"""

from pathlib import Path

from components.common.errors import UserError
from components.common.repository import GRAPH, is_version


def latest_version(repository: Path, model: str) -> tuple[int, Path]:
    """The highest version of `model` and its folder.

    Raises:
        UserError: no such repository or model, a name that is a path, or a model without a version.
    """
    if model in ("", ".", "..") or "/" in model or "\0" in model:
        raise UserError(f"expected the name of a model, a folder in {repository}, received {model!r}; choose one with --model")
    if not repository.is_dir():
        raise UserError(f"{repository}: expected a model repository (a folder), found none; deploy a model first")
    folder = repository / model
    if not folder.is_dir():
        found = ", ".join(sorted(path.name for path in repository.iterdir() if path.is_dir())) or "none"
        raise UserError(f"{repository}: expected a model named {model!r}, found {found}; choose one with --model")
    versions = {int(path.name): path for path in folder.iterdir() if is_version(path.name) and path.is_dir()}
    if not versions:
        raise UserError(f"{folder}: expected a folder named by an integer version, found none; deploy a model first")
    version = max(versions)
    if not (versions[version] / GRAPH).is_file():
        raise UserError(f"{versions[version]}: expected a SavedModel, found no saved_model.pb; remove the folder or deploy again")
    return version, versions[version]
