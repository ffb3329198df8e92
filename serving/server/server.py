"""Starting and stopping the embedded server.

The model is loaded before the port opens, so a server that answers can predict. A stop refuses new requests and lets those under
way finish within a grace period.
"""

import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import grpc
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from components.common.errors import UserError
from components.common.whole import whole_file
from serving.server.repository import latest_version
from serving.server.servable import Servable
from serving.server.service import ModelService, PredictionService

MAX_MESSAGE_BYTES = 64 << 20
WORKERS = 4
GRACE_S = 5.0


@dataclass(frozen=True)
class Server:
    """A running server: what it serves, and the port it listens on."""

    servable: Servable
    port: int
    grpc_server: grpc.Server

    def stop(self, grace_s: float = GRACE_S) -> None:
        """Refuses new requests, waits up to `grace_s` for those under way, and closes the port."""
        self.grpc_server.stop(grace_s).wait()


def start(repository: Path, model: str, *, host: str, port: int, max_message_bytes: int = MAX_MESSAGE_BYTES) -> Server:
    """Serves the latest version of `model` on `host:port`; port 0 takes a free one.

    Raises:
        UserError: no model there, one that does not load, or a port that cannot be opened.
    """
    version, folder = latest_version(repository, model)
    servable = Servable(model, version, folder)
    options = [
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", max_message_bytes),
        # Without this two servers share a port, and each answers some of the requests.
        ("grpc.so_reuseport", 0),
    ]
    grpc_server = grpc.server(ThreadPoolExecutor(WORKERS, thread_name_prefix="predict"), options=options)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(PredictionService(servable), grpc_server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(servable), grpc_server)
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        bound = grpc_server.add_insecure_port(address)
    except RuntimeError:
        raise UserError(f"{address}: the port cannot be opened; is it taken? Choose another with --port (0: a free one)") from None
    grpc_server.start()
    return Server(servable, bound, grpc_server)


def serve_until_stopped(repository: Path, model: str, *, host: str, port: int, on_ready: Callable[[Server], None]) -> None:
    """Serves until SIGTERM or SIGINT; `on_ready` is called once requests are answered.

    Raises:
        UserError: as `start`.
    """
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    server = start(repository, model, host=host, port=port)
    try:
        on_ready(server)
        stopped.wait()
    finally:
        server.stop()


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
