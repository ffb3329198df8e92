"""The REST application in the running event loop, on a port of its own."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import uvicorn

from components.common.errors import UserError

LOOK_EVERY_S = 0.005


class _Server(uvicorn.Server):
    """Leaves the process's signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """Serves an ASGI application; `port` is where."""

    def __init__(self, application: Any, host: str, port: int, *, cert: str = "", key: str = "", client_ca: str = ""):
        """Opens the port.

        Raises:
            UserError: it cannot be opened.
        """
        try:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            self._socket = socket.create_server((host, port), family=family, backlog=1024)
        except OSError as error:
            address = f"{host}:{port}"
            message = (
                f"{address}: the port cannot be opened: {error.strerror}; choose another with --rest-port (0: free, -1: no REST)"
            )
            raise UserError(message) from None
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            application,
            log_config=None,
            access_log=False,
            lifespan="off",
            ssl_certfile=cert or None,
            ssl_keyfile=key or None,
            ssl_ca_certs=client_ca or None,
            ssl_cert_reqs=ssl.CERT_REQUIRED if client_ca else ssl.CERT_NONE,
        )
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to answer."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        while not self._server.started and not self._task.done():
            await asyncio.sleep(LOOK_EVERY_S)

    async def stop(self, grace_s: float) -> None:
        """Takes no more connections, and waits up to `grace_s` for the requests under way."""
        if self._task is None:
            self._socket.close()
            return
        self._server.config.timeout_graceful_shutdown = grace_s  # type: ignore[assignment]
        self._server.should_exit = True
        await self._task
