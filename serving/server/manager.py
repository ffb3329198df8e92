"""Which versions are loaded, and which one answers a request.

One background thread brings what is loaded in line with the config and the folders it polls. Availability comes first: a version is
loaded and warmed up before it is offered, an older one goes only when its successor is offered, and is unloaded only when the
requests it answers are done. A version that does not load ends with its error and is not tried again until its files change.
States, codes and texts are those of TF Serving's GetModelStatus and `server_core.cc`.
"""

import contextlib
import gc
import logging
import queue
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import grpc
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus
from tensorflow_serving.apis.model_pb2 import ModelSpec

from components.common.errors import UserError
from serving.server.errors import RequestError, invalid
from serving.server.model_config import Model, Models, parse_config
from serving.server.servable import Servable
from serving.server.versions import find_versions, fingerprint, forget_folder, version_folder
from serving.server.warmup import warm_up

logger = logging.getLogger(__name__)
START, LOADING, AVAILABLE, UNLOADING, END = (
    ModelVersionStatus.State.Value(name) for name in ("START", "LOADING", "AVAILABLE", "UNLOADING", "END")
)


@dataclass(eq=False)
class _Version:
    """One version on its way from START to END."""

    model: str
    number: int
    base_path: str
    state: int = START
    code: grpc.StatusCode = grpc.StatusCode.OK
    message: str = ""
    servable: Servable | None = None
    in_flight: int = 0
    broken_files: tuple[object, ...] | None = None


@dataclass
class _Found:
    """What a model's base path holds: the versions to serve, and of these the ones just loaded, not yet offered."""

    aspired: set[int]
    loaded: list[_Version]


class Manager:
    """The loaded versions of several models. Its methods may be called from any thread.

    Args:
        models: the first config.
        config_file: a file to read later configs from, when it no longer holds `config_text`.
        poll_s: seconds between two looks at the folders and the file; 0 never looks again.
        warm_batches: the sizes of the batches to warm a version up with.
    """

    def __init__(
        self,
        models: Models,
        *,
        config_file: Path | None = None,
        config_text: str = "",
        poll_s: float = 1.0,
        warm_batches: Sequence[int] = (),
    ):
        self.ready: Future[None] = Future()
        self._models = models
        self._config_file = config_file
        self._config_text = config_text
        self._refused: object = None
        self._said: dict[str, str] = {}
        self._poll_s = poll_s
        self._warm_batches = warm_batches
        self._versions: dict[str, dict[int, _Version]] = {}
        self._offered: dict[str, dict[int, _Version]] = {}
        self._labels: dict[str, dict[str, int]] = {}
        self._leaving: list[_Version] = []
        self._lock = threading.Lock()
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._cache = Path(tempfile.mkdtemp(prefix="marque-serving-"))
        self._thread = threading.Thread(target=self._main, name="manager", daemon=True)

    def start(self) -> None:
        """Begins to load; `ready` is set when every model answers, or holds the UserError that says which does not."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread, after a load under way, and lets go of everything."""
        self._tasks.put(None)
        if self._thread.is_alive():
            self._thread.join()
        shutil.rmtree(self._cache, ignore_errors=True)

    def reload(self, models: Models) -> "Future[None]":
        """Puts another config in place; done when its versions are loaded and its labels are moved.

        The future's error is a RequestError: a model or a labelled version that did not become available. Then nothing changed.
        """
        future: Future[None] = Future()

        def task() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    self._replace(models)
                    future.set_result(None)
                except Exception as error:
                    future.set_exception(error)

        self._tasks.put(task)
        return future

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
                if version.state == UNLOADING and not version.in_flight:
                    self._tasks.put(self._sweep)

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

    def _acquire(self, spec: ModelSpec) -> _Version:
        if not spec.name:
            raise invalid("ModelSpec has no name specified.")
        with self._lock:
            offered = self._offered.get(spec.name, {})
            latest = spec.WhichOneof("version_choice") is None
            version = offered.get(max(offered, default=0) if latest else self._number(spec))
            if version is not None:
                version.in_flight += 1
                return version
            if not self.ready.done():
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

    def _main(self) -> None:
        """The background thread."""
        try:
            self._load_first()
        except Exception as error:
            self.ready.set_exception(error)
            return
        self.ready.set_result(None)
        while True:
            try:
                task = self._tasks.get(timeout=self._poll_s or None)
            except queue.Empty:
                task = self._poll
            if task is None:
                return
            try:
                task()
            except Exception:
                logger.exception("the models could not be brought in line with their config")

    def _load_first(self) -> None:
        for model in self._models.values():
            found = self._load(model)
            self._offer(model, found)
            if not self._offered.get(model.name):
                failed = [version for version in self._versions.get(model.name, {}).values() if version.message]
                raise UserError(failed[-1].message if failed else f"{model.base_path}: expected a version to serve, found none")
        self._move_labels(self._models)

    def _poll(self) -> None:
        if self._config_file is not None:
            self._poll_config(self._config_file)
        for model in self._models.values():
            try:
                found = self._load(model)
            except (OSError, UserError) as error:
                # Its folder may be back at the next look; until then what is loaded answers.
                self._say(model.name, str(error))
                continue
            self._said.pop(model.name, None)
            self._offer(model, found)
        self._move_labels(self._models)
        self._sweep()

    def _poll_config(self, path: Path) -> None:
        """Puts the file's config in place when it has changed; a refused one is tried again when it or its folders change."""
        attempt: object = None
        try:
            text = path.read_text("utf-8")
            if text == self._config_text:
                self._said.pop(str(path), None)
                return
            models = parse_config(text)
            attempt = (text, [find_versions(model.base_path) for model in models.values()])
            if attempt == self._refused:
                return
            self._replace(models)
            self._config_text, self._refused = text, None
        except (OSError, UnicodeDecodeError, UserError, RequestError) as error:
            self._refused = attempt
            self._say(str(path), f"{path}: the config stays as it was: {error}")

    def _say(self, what: str, message: str) -> None:
        """Once, not at every look, until it is something else or over."""
        if self._said.get(what) != message:
            logger.warning("%s", message)
        self._said[what] = message

    def _replace(self, models: Models) -> None:
        """Loads what another config asks for, then puts it in place whole.

        Raises:
            RequestError: it cannot be put in place; nothing changed.
        """
        found = {}
        try:
            for model in models.values():
                found[model.name] = self._load(model)
            self._check(models, found)
        except (UserError, RequestError) as error:
            for one in found.values():
                self._discard(one.loaded)
            raise error if isinstance(error, RequestError) else invalid(str(error)) from None
        with self._lock:
            self._models = models
        for model in models.values():
            self._offer(model, found[model.name], unload=False)
        self._move_labels(models)
        for model in models.values():
            self._unload(model.name, found[model.name].aspired)
        for name in set(self._versions) - set(models):
            self._unload(name, set())
        self._sweep()

    def _check(self, models: Models, found: dict[str, _Found]) -> None:
        for model in models.values():
            usable = {version.number for version in found[model.name].loaded}
            usable |= {
                number
                for number in found[model.name].aspired
                if (version := self._versions.get(model.name, {}).get(number))
                and (version.state, version.base_path) == (AVAILABLE, model.base_path)
            }
            before = self._models.get(model.name)
            if not usable and (before is None or before.base_path != model.base_path):
                raise RequestError(grpc.StatusCode.UNKNOWN, self._unavailable(model.name, found[model.name].aspired))
            for number in model.labels.values():
                if number not in usable:
                    raise RequestError(
                        grpc.StatusCode.FAILED_PRECONDITION,
                        f"Request to assign label to version {number} of model {model.name}, "
                        "which is not currently available for inference",
                    )

    def _unavailable(self, name: str, aspired: set[int]) -> str:
        number = max(aspired, default=None)
        version = self._versions.get(name, {}).get(number) if number is not None else None
        shown = f"name: {name}" + (f" version: {number}" if number is not None else "")
        due = f" due to error: {version.code.name}: {version.message}" if version and version.message else ""
        return f"1 model(s) did not become available: {{{{{shown}{due}}}, }}"

    def _load(self, model: Model) -> _Found:
        """Loads the versions of a model that are to be served and are not yet.

        Raises:
            UserError: its base path cannot be read.
        """
        aspired = model.policy.choose(find_versions(model.base_path))
        loaded = []
        for number in sorted(aspired):
            known = self._versions.get(model.name, {}).get(number)
            if known and known.base_path == model.base_path:
                if known.state == AVAILABLE:
                    continue
                if known.broken_files is not None and known.broken_files == fingerprint(model.base_path, number):
                    continue
            version = _Version(model.name, number, model.base_path)
            with self._lock:
                if not known or known.state != AVAILABLE:
                    self._versions.setdefault(model.name, {})[number] = version
            if self._load_version(version):
                loaded.append(version)
        return _Found(aspired, loaded)

    def _load_version(self, version: _Version) -> bool:
        version.state = LOADING
        files = None
        try:
            files = fingerprint(version.base_path, version.number)
            folder = version_folder(version.base_path, version.number, self._cache)
            servable = Servable(version.model, version.number, folder)
            warm_up(servable, folder, self._warm_batches)
        except Exception as error:
            code = error.code if isinstance(error, RequestError) else grpc.StatusCode.UNKNOWN
            message = str(error) or type(error).__name__
            with self._lock:
                version.state, version.code, version.message, version.broken_files = END, code, message, files
            forget_folder(version.base_path, version.number, self._cache)
            logger.warning("%s version %s does not load: %s", version.model, version.number, message)
            return False
        version.servable = servable
        return True

    def _discard(self, loaded: Sequence[_Version]) -> None:
        with self._lock:
            for version in loaded:
                version.state, version.servable = END, None

    def _offer(self, model: Model, found: _Found, *, unload: bool = True) -> None:
        """Lets loaded versions answer, in the place of any of the same number."""
        with self._lock:
            for version in found.loaded:
                before = self._versions[model.name].get(version.number)
                if before and before.state == AVAILABLE:
                    self._leave(before)
                version.state = AVAILABLE
                self._versions[model.name][version.number] = version
                self._offered[model.name] = {**self._offered.get(model.name, {}), version.number: version}
        if unload:
            self._unload(model.name, found.aspired)

    def _unload(self, name: str, aspired: set[int]) -> None:
        """Lets the versions go that are not to be served, unless nothing would be left that should be."""
        with self._lock:
            offered = self._offered.get(name, {})
            if aspired and not aspired & set(offered):
                return
            for version in offered.values():
                if version.number not in aspired:
                    self._leave(version)
            self._offered[name] = {number: version for number, version in offered.items() if number in aspired}
            if not self._offered[name]:
                del self._offered[name]

    def _leave(self, version: _Version) -> None:
        version.state = UNLOADING
        self._leaving.append(version)

    def _move_labels(self, models: Models) -> None:
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

    def _sweep(self) -> None:
        """Unloads what has left and answers nothing any more."""
        with self._lock:
            gone = [version for version in self._leaving if not version.in_flight]
            self._leaving = [version for version in self._leaving if version.in_flight]
            for version in gone:
                version.state, version.servable = END, None
        for version in gone:
            forget_folder(version.base_path, version.number, self._cache)
        if gone:
            # The parts of a SavedModel refer to one another in circles.
            gc.collect()


def _status(version: _Version) -> ModelVersionStatus:
    status = ModelVersionStatus(version=version.number, state=version.state)
    status.status.error_code = version.code.value[0]
    status.status.error_message = version.message
    return status


def _not_found(message: str) -> RequestError:
    return RequestError(grpc.StatusCode.NOT_FOUND, message)
