"""A model repository: what deploy writes, and servers and the client read.

<repository>/
  models.config              TF Serving's ModelServerConfig as text: the versions to load and what the labels point to
  <model>/<version>/         a SavedModel; the version is an integer, folders of any other name are ignored
    saved_model.pb           arrives last: without it the version is not there yet

Whoever asks by label gets `stable`; `canary` points to the version that is being tried out, `previous` to what was stable before.
"""

from collections.abc import Iterable

CONFIG = "models.config"
GRAPH = "saved_model.pb"
STABLE = "stable"
CANARY = "canary"
PREVIOUS = "previous"


def is_version(name: str) -> bool:
    """Whether TF Serving takes a folder of that name for a version."""
    return name.isascii() and name.isdecimal()


def complete_versions(names: Iterable[str]) -> list[int]:
    """The numbers of the versions that a server can load, smallest first, from the `names` of all files below a model's folder."""
    folders = (name.removesuffix(f"/{GRAPH}") for name in names if name.endswith(f"/{GRAPH}"))
    return sorted(int(folder) for folder in folders if is_version(folder))
