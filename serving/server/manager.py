"""Brings what is loaded in line with the config and the folders that it polls, in one background thread.

Availability comes first: a version is loaded and warmed up before it is offered, an older one goes only when its successor is
offered, and is unloaded only when the requests it answers are done. A version that does not load ends with its error and is not
tried again until its files change. Codes and texts are those of TF Serving's `server_core.cc`.
"""

import gc
import logging
import queue
import shutil
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import grpc

from components.common.errors import UserError
from serving.server.errors import RequestError, invalid
from serving.server.model_config import Model, Models, parse_config
from serving.server.registry import AVAILABLE, Registry, Version
from serving.server.servable import Servable
from serving.server.versions import find_versions, fingerprint, forget_folder, version_folder
from serving.server.warmup import warm_up

logger = logging.getLogger(__name__)


@dataclass
class _Found:
    """What a model's base path holds: the versions to serve, and of these the ones just loaded, not yet offered."""

    aspired: set[int]
    loaded: list[Version]


class Manager:
    """Keeps the `registry` of several models in line. Its methods may be called from any thread.

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
        self.registry = Registry(released=lambda: self._tasks.put(self._sweep))
        self._models = models
        self._config_file = config_file
        self._config_text = config_text
        self._refused: object = None
        self._said: dict[str, str] = {}
        self._poll_s = poll_s
        self._warm_batches = warm_batches
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

    def _main(self) -> None:
        """The background thread."""
        try:
            self._load_first()
        except Exception as error:
            self.ready.set_exception(error)
            return
        finally:
            self.registry.loading = False
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
            self.registry.offer(found.loaded)
            self.registry.withdraw(model.name, found.aspired)
            if model.name not in dict(self.registry.available()):
                failure = self.registry.failure(model.name)
                raise UserError(failure or f"{model.base_path}: expected a version to serve, found none")
        self.registry.move_labels(self._models)

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
            self.registry.offer(found.loaded)
            self.registry.withdraw(model.name, found.aspired)
        self.registry.move_labels(self._models)
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
        except (OSError, UserError, RequestError) as error:
            for one in found.values():
                self.registry.discard(one.loaded)
            raise error if isinstance(error, RequestError) else invalid(str(error)) from None
        self._models = models
        for one in found.values():
            self.registry.offer(one.loaded)
        self.registry.move_labels(models)
        for model in models.values():
            self.registry.withdraw(model.name, found[model.name].aspired)
        for name in set(self.registry.models()) - set(models):
            self.registry.withdraw(name, set())
        self._sweep()

    def _check(self, models: Models, found: dict[str, _Found]) -> None:
        for model in models.values():
            usable = {version.number for version in found[model.name].loaded}
            usable |= {
                number
                for number in found[model.name].aspired
                if (version := self.registry.find(model.name, number))
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
        version = self.registry.find(name, number) if number is not None else None
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
            known = self.registry.find(model.name, number)
            if known and known.base_path == model.base_path:
                if known.state == AVAILABLE:
                    continue
                if known.broken_files is not None and known.broken_files == fingerprint(model.base_path, number):
                    continue
            version = Version(model.name, number, model.base_path)
            self.registry.begin(version)
            if self._load_version(version):
                loaded.append(version)
        return _Found(aspired, loaded)

    def _load_version(self, version: Version) -> bool:
        files = None
        try:
            files = fingerprint(version.base_path, version.number)
            folder = version_folder(version.base_path, version.number, self._cache)
            servable = Servable(version.model, version.number, folder)
            warm_up(servable, folder, self._warm_batches)
        except Exception as error:
            code = error.code if isinstance(error, RequestError) else grpc.StatusCode.UNKNOWN
            message = str(error) or type(error).__name__
            self.registry.fail(version, code, message, files)
            forget_folder(version.base_path, version.number, self._cache)
            logger.warning("%s version %s does not load: %s", version.model, version.number, message)
            return False
        version.servable = servable
        return True

    def _sweep(self) -> None:
        gone = self.registry.unload()
        for version in gone:
            forget_folder(version.base_path, version.number, self._cache)
        if gone:
            # The parts of a SavedModel refer to one another in circles.
            gc.collect()
