"""Starting and stopping the embedded server.

The ports are open from the start, models answer when all of the first config's are loaded; then health says SERVING and the port
files are written. A stop first says NOT_SERVING, refuses new requests, and lets those under way finish within a grace period.
"""

import asyncio
import contextlib
import gc
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import tensorflow as tf
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from components.common.errors import UserError
from components.common.whole import whole_file
from serving.server.batching import Batcher
from serving.server.core import Core
from serving.server.manager import Manager
from serving.server.metrics import Metrics
from serving.server.model_config import Model, Models, read_config
from serving.server.ports import reserved, taken
from serving.server.request_log import RequestLog
from serving.server.rest import application
from serving.server.rest_server import RestServer
from serving.server.services import handlers
from serving.server.settings import ServerSettings, cpus
from serving.server.tls import server_credentials
from serving.server.versions import check_model

HEALTH_SERVICES = ("", "tensorflow.serving.PredictionService", "tensorflow.serving.ModelService")
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
RPCS_BESIDE_QUEUE = 1000


@dataclass(frozen=True)
class Source:
    """What to serve: the latest version of `model` in a repository, or what a model config file says."""

    repository: Path | None = None
    model: str = "marque"
    config: Path | None = None

    def models(self) -> tuple[Models, str]:
        """The first config, and the text of the file that it was read from, "" where there is none.

        Raises:
            UserError: no such repository, model or file, or not a valid config.
        """
        if self.config is not None:
            return read_config(self.config)
        repository = self.repository or Path()
        check_model(repository, self.model)
        return {self.model: Model(self.model, str((repository / self.model).absolute()))}, ""


class Running:
    """A server in the running event loop; its ports (`rest_port` -1: no REST) and core are there once `start` has returned."""

    port: int
    rest_port: int = -1
    core: Core

    def __init__(self, source: Source, settings: ServerSettings):
        self._source = source
        self._settings = settings
        self._health = health.aio.HealthServicer()
        self._rest: RestServer | None = None
        self._log: RequestLog | None = None

    async def start(self) -> None:
        """Opens the ports and loads the models.

        Raises:
            UserError: a bad config or setting, a port that cannot be opened, a model that does not load.
        """
        settings = self._settings
        batching, (models, text) = settings.batch_settings(), self._source.models()
        credentials = server_credentials(settings.tls_cert, settings.tls_key, settings.tls_client_ca)
        warm = settings.warm_batches()
        self._manager = Manager(
            models, config_file=self._source.config, config_text=text, poll_s=settings.poll_s, warm_batches=warm
        )
        self._batcher = Batcher(batching)
        self.core = Core(self._manager, self._batcher)
        self._grpc = self._grpc_server()
        try:
            self.port = _bind(self._grpc, settings.host, settings.port, credentials)
            await self._observe()
            await self._say(NOT_SERVING)
            await self._grpc.start()
            self._manager.start()
            await asyncio.wrap_future(self._manager.ready)
        except BaseException:
            await self.stop(0)
            raise
        await self._say(SERVING)

    async def stop(self, grace_s: float) -> None:
        """Refuses new requests, waits up to `grace_s` for those under way, and closes the ports."""
        await self._say(NOT_SERVING)
        await asyncio.gather(self._grpc.stop(grace_s), *([self._rest.stop(grace_s)] if self._rest else []))
        self._batcher.close()
        await asyncio.to_thread(self._manager.stop)
        if self._log:
            await asyncio.to_thread(self._log.stop)

    async def _observe(self) -> None:
        """Metrics, REST and the request log, as far as they are asked for."""
        settings, metrics = self._settings, Metrics()
        if settings.rest_port >= 0:
            self.core.observers.append(metrics)
            self.core.batch_observers.append(metrics)
            rest = application(self.core, metrics, settings.max_message_bytes)
            tls = {"tls_cert": settings.tls_cert, "tls_key": settings.tls_key, "tls_client_ca": settings.tls_client_ca}
            self._rest = RestServer(rest, settings.host, settings.rest_port, **tls)
            await self._rest.start()
            self.rest_port = self._rest.port
        if settings.log_requests:
            self._log = RequestLog(Path(settings.log_requests), settings.log_share, metrics.logged)
            self.core.observers.append(self._log)

    def _grpc_server(self) -> grpc.aio.Server:
        options = [
            ("grpc.max_receive_message_length", self._settings.max_message_bytes),
            ("grpc.max_send_message_length", self._settings.max_message_bytes),
            # Without this two servers share a port, and each answers some of the requests.
            ("grpc.so_reuseport", 0),
        ]
        rpcs = 4 * self._settings.queue + RPCS_BESIDE_QUEUE
        server = grpc.aio.server(options=options, maximum_concurrent_rpcs=rpcs)
        server.add_generic_rpc_handlers(handlers(self.core))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        return server

    async def _say(self, status: int) -> None:
        for service in HEALTH_SERVICES:
            await self._health.set(service, status)


class Server:
    """A server in a thread of its own, for tests and notebooks; made by `start`."""

    def __init__(self, running: Running, loop: asyncio.AbstractEventLoop, thread: threading.Thread):
        self.core, self.port, self.rest_port = running.core, running.port, running.rest_port
        self._running, self._loop, self._thread = running, loop, thread

    def stop(self, grace_s: float = ServerSettings.grace_s) -> None:
        """Refuses new requests, waits up to `grace_s` for those under way, and ends the thread; twice is once."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._running.stop(grace_s), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def start(repository: Path | None, model: str = "marque", *, config: Path | None = None, **settings: Any) -> Server:
    """Serves the latest version of a model, or what a config file says, in a thread; `settings` as ServerSettings has them.

    Raises:
        UserError: no model there, one that does not load, or a port that cannot be opened.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="server", daemon=True)
    thread.start()
    running = Running(Source(repository, model, config), ServerSettings(**settings))
    try:
        asyncio.run_coroutine_threadsafe(running.start(), loop).result()
    except BaseException:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        raise
    return Server(running, loop, thread)


def serve_until_stopped(source: Source, settings: ServerSettings, on_ready: Callable[[Running], None]) -> None:
    """Serves until SIGTERM or SIGINT; `on_ready` is called once requests are answered.

    Raises:
        UserError: as `start`.
    """
    # In a process that runs TensorFlow already its threads stay as they are.
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(settings.run_threads)
        tf.config.threading.set_inter_op_parallelism_threads(cpus())
    # What is imported stays; without it a collection is too short to be noticed by a request.
    gc.collect()
    gc.freeze()
    asyncio.run(_serve(source, settings, on_ready))


async def _serve(source: Source, settings: ServerSettings, on_ready: Callable[[Running], None]) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    running = Running(source, settings)
    starting = asyncio.create_task(running.start())
    waiting = asyncio.create_task(stopped.wait())
    await asyncio.wait((starting, waiting), return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await starting
        return
    await starting
    try:
        on_ready(running)
        await waiting
    finally:
        await running.stop(settings.grace_s)


def write_port_file(path: Path, port: int) -> None:
    """Writes the port as one line; whoever waits for the file never sees it half-written.

    Raises:
        UserError: the file cannot be written there.
    """
    try:
        with whole_file(path) as partial:
            partial.write_text(f"{port}\n", "utf-8")
    except OSError as error:
        raise UserError(f"{path}: the port file cannot be written: {error.strerror}; choose another with --port-file") from None


def _bind(server: grpc.aio.Server, host: str, port: int, credentials: grpc.ServerCredentials | None) -> int:
    with reserved(host, port) as free:
        address = f"[{host}]:{free}" if ":" in host else f"{host}:{free}"
        try:
            return server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
        except RuntimeError:
            raise taken(host, port) from None
