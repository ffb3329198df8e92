"""Where a model and its config lie in a repository, a local folder or `gs://bucket/path`."""

from pathlib import Path

from components.common.errors import UserError
from components.common.repository import CONFIG


def root_of(repository: str, model: str) -> str:
    """The address of the folder that holds a model's versions.

    Raises:
        UserError: an address of another kind.
    """
    return f"{_base(repository)}/{model}"


def config_of(repository: str) -> str:
    """The address of the repository's models.config.

    Raises:
        UserError: an address of another kind.
    """
    return f"{_base(repository)}/{CONFIG}"


def is_bucket(address: str) -> bool:
    """Whether an address is one of Cloud Storage."""
    return address.startswith("gs://")


def _base(repository: str) -> str:
    if is_bucket(repository):
        return repository.rstrip("/")
    if "://" in repository:
        raise UserError(f"{repository}: expected a local folder or gs://bucket/path as the model repository")
    return str(Path(repository).absolute())
