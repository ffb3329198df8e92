"""Whom a photo can be put to: the labels of the model repository and the versions that the server has loaded; and asking them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from components.common.errors import UserError
from components.common.repository import CANARY, STABLE
from serving.client.client import Client
from serving.client.wire import Prediction, VersionStatus

AVAILABLE = "AVAILABLE"


@dataclass(frozen=True)
class Target:
    """A version by its number, or by a label, or (neither) the newest; `text` is what it is called."""

    text: str
    version: int | None = None
    label: str = ""


def targets(status: Iterable[VersionStatus], labels: Mapping[str, int]) -> list[Target]:
    """`stable` first, then `canary` and the other labels, then the newest version, then every loaded version, the newest first."""
    first = {STABLE: 0, CANARY: 1}
    named = sorted(labels.items(), key=lambda pair: (first.get(pair[0], 2), pair[0]))
    loaded = sorted((entry.version for entry in status if entry.state == AVAILABLE), reverse=True)
    return [
        *(Target(f"{label} (version {version})", label=label) for label, version in named if version in loaded),
        *([Target(f"newest (version {loaded[0]})")] if loaded else []),
        *(Target(f"version {version}", version=version) for version in loaded),
    ]


def ask(server: str, model: str, target: Target, jpegs: list[bytes], name: str) -> list[Prediction]:
    """The answers of one version about n photos, all of the same version.

    Raises:
        UserError: the server does not answer, or not about these photos.
    """
    with Client(server, model, version=target.version, label=target.label) as client:
        answers = client.predict(jpegs, [name] * len(jpegs))
    if len({answer.version for answer in answers}) > 1:
        raise UserError(f"{target.text}: another version took its place while it answered; ask again")
    return answers


def status(server: str, model: str) -> list[VersionStatus]:
    """The versions that the server knows, the newest first.

    Raises:
        UserError: the server does not answer, or has no such model.
    """
    with Client(server, model) as client:
        return sorted(client.status(), key=lambda entry: -entry.version)
