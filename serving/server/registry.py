"""Which versions are loaded, which of them answers a request, and which are in use: the state that requests and the manager share.

A version goes from START to END. While it answers requests it stays loaded, also when another has taken its place. States, codes
and texts are those of TF Serving's GetModelStatus and `server_core.cc`.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import grpc
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus
from tensorflow_serving.apis.model_pb2 import ModelSpec

from serving.server.errors import RequestError, invalid
from serving.server.model_config import Models
from serving.server.servable import Servable

START, LOADING, AVAILABLE, UNLOADING, END = (
    ModelVersionStatus.State.Value(name) for name in ("START", "LOADING", "AVAILABLE", "UNLOADING", "END")
)


@dataclass(eq=False)
class Version:
    """One version on its way; `broken_files` is the fingerprint of the files that did not load."""

    model: str
    number: int
    base_path: str
    state: int = START
    code: grpc.StatusCode = grpc.StatusCode.OK
    message: str = ""
    servable: Servable | None = None
    in_flight: int = 0
    broken_files: tuple[object, ...] | None = None


class Registry:
    """The versions of several models. Requests may come from any thread; what changes versions and labels belongs to the manager's.

    Args:
        released: called, from any thread, when the last request of a version that was to be unloaded has been answered.
    """

    def __init__(self, released: Callable[[], None]):
        self.loading = True
        self._released = released
        self._versions: dict[str, dict[int, Version]] = {}
        self._offered: dict[str, dict[int, Version]] = {}
        self._labels: dict[str, dict[str, int]] = {}
        self._leaving: list[Version] = []
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def use(self, spec: ModelSpec) -> Iterator[Servable]:
        """The version that `spec` means; it stays loaded while the body runs.

        Raises:
            RequestError: no such model, version or label, or nothing is loaded yet.
        """
        version = self._acquire(spec)
        try:
            yield version.servable  # type: ignore[misc]
        finally:
            with self._lock:
                version.in_flight -= 1
                released = version.state == UNLOADING and not version.in_flight
            if released:
                self._released()

    def available(self) -> list[tuple[str, int]]:
        """The models and versions that answer just now."""
        with self._lock:
            return [(model, number) for model, versions in self._offered.items() for number in versions]

    def status(self, spec: ModelSpec) -> list[ModelVersionStatus]:
        """The states of the versions of a model, newest first, or of the one version that `spec` names.

        Raises:
            RequestError: NOT_FOUND, nothing is known of it.
        """
        with self._lock:
            versions = self._versions.get(spec.name, {})
            if spec.WhichOneof("version_choice") != "version":
                if not versions:
                    raise _not_found(f"Could not find any versions of model {spec.name}")
                return [_status(versions[number]) for number in sorted(versions, reverse=True)]
            number = spec.version.value
            if number not in versions:
                raise _not_found(f"Could not find version {number} of model {spec.name}")
            return [_status(versions[number])]

    def find(self, model: str, number: int) -> Version | None:
        """What is known of a version."""
        return self._versions.get(model, {}).get(number)

    def models(self) -> list[str]:
        """The names of the models of which anything is known."""
        return list(self._versions)

    def failure(self, model: str) -> str:
        """Why the last version of a model that did not load did not; "" where there is none."""
        return next((version.message for version in reversed(self._versions.get(model, {}).values()) if version.message), "")

    def begin(self, version: Version) -> None:
        """A version is about to be loaded; one of the same number answers until it is offered."""
        with self._lock:
            version.state = LOADING
            known = self.find(version.model, version.number)
            if not known or known.state != AVAILABLE:
                self._versions.setdefault(version.model, {})[version.number] = version

    def fail(self, version: Version, code: grpc.StatusCode, message: str, files: tuple[object, ...] | None) -> None:
        """A version did not load."""
        with self._lock:
            version.state, version.code, version.message, version.broken_files = END, code, message, files

    def discard(self, loaded: Sequence[Version]) -> None:
        """Versions that were loaded are not to be offered after all."""
        with self._lock:
            for version in loaded:
                version.state, version.servable = END, None

    def offer(self, loaded: Sequence[Version]) -> None:
        """Lets loaded versions answer, in the place of any of the same number."""
        with self._lock:
            for version in loaded:
                before = self.find(version.model, version.number)
                if before and before.state == AVAILABLE:
                    self._leave(before)
                version.state = AVAILABLE
                self._versions[version.model][version.number] = version
                self._offered[version.model] = {**self._offered.get(version.model, {}), version.number: version}

    def withdraw(self, model: str, aspired: set[int]) -> None:
        """Lets the versions go that are not to be served, unless nothing would be left that should be."""
        with self._lock:
            offered = self._offered.get(model, {})
            if aspired and not aspired & set(offered):
                return
            for version in offered.values():
                if version.number not in aspired:
                    self._leave(version)
            self._offered[model] = {number: version for number, version in offered.items() if number in aspired}
            if not self._offered[model]:
                del self._offered[model]

    def move_labels(self, models: Models) -> None:
        """Points all labels at once at the versions of the config; those that never were available are left out."""
        with self._lock:
            self._labels = {
                model.name: {
                    label: number
                    for label, number in model.labels.items()
                    if number in self._offered.get(model.name, {}) or self._labels.get(model.name, {}).get(label) == number
                }
                for model in models.values()
            }

    def unload(self) -> list[Version]:
        """Unloads what has left and answers nothing any more, and returns it."""
        with self._lock:
            gone = [version for version in self._leaving if not version.in_flight]
            self._leaving = [version for version in self._leaving if version.in_flight]
            for version in gone:
                version.state, version.servable = END, None
        return gone

    def _acquire(self, spec: ModelSpec) -> Version:
        if not spec.name:
            raise invalid("ModelSpec has no name specified.")
        with self._lock:
            offered = self._offered.get(spec.name, {})
            latest = spec.WhichOneof("version_choice") is None
            version = offered.get(max(offered, default=0) if latest else self._number(spec))
            if version is not None:
                version.in_flight += 1
                return version
            if self.loading:
                raise RequestError(grpc.StatusCode.UNAVAILABLE, "the server is still loading its models")
            wanted = f"Latest({spec.name})" if latest else f"Specific({spec.name}, {self._number(spec)})"
            raise _not_found(f"Servable not found for request: {wanted}")

    def _number(self, spec: ModelSpec) -> int:
        if spec.WhichOneof("version_choice") == "version":
            return spec.version.value
        labels = self._labels.get(spec.name, {})
        if spec.version_label not in labels:
            raise invalid(f"Unrecognized servable version label: {spec.version_label}")
        return labels[spec.version_label]

    def _leave(self, version: Version) -> None:
        version.state = UNLOADING
        self._leaving.append(version)


def _status(version: Version) -> ModelVersionStatus:
    status = ModelVersionStatus(version=version.number, state=version.state)
    status.status.error_code = version.code.value[0]
    status.status.error_message = version.message
    return status


def _not_found(message: str) -> RequestError:
    return RequestError(grpc.StatusCode.NOT_FOUND, message)
