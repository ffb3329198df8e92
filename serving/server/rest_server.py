"""REST's HTTP server beside gRPC's, in the same event loop: it opens its port, and ends when it is told to."""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Iterator

import uvicorn
from starlette.applications import Starlette

from components.common.errors import UserError

MAX_CONNECTIONS = 1000
LOOK_S = 0.01


class RestServer:
    """Serves `app` on `host:port`, over TLS where a certificate is given; port 0 takes a free one, `port` says which.

    Raises:
        UserError: the port cannot be opened.
    """

    def __init__(self, app: Starlette, host: str, port: int, *, tls_cert: str = "", tls_key: str = "", tls_client_ca: str = ""):
        self._socket = _bound(host, port)
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app,
            lifespan="off",
            http="h11",
            ws="none",
            log_config=None,
            log_level=logging.CRITICAL,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MAX_CONNECTIONS,
            ssl_certfile=tls_cert or None,
            ssl_keyfile=tls_key or None,
            ssl_ca_certs=tls_client_ca or None,
            ssl_cert_reqs=ssl.CERT_REQUIRED if tls_client_ca else ssl.CERT_NONE,
        )
        self._server = _Server(config)

    async def start(self) -> None:
        """Begins to answer."""
        self._serving = asyncio.create_task(self._server.serve([self._socket]))
        while not self._server.started and not self._serving.done():
            await asyncio.sleep(LOOK_S)

    async def stop(self, grace_s: float) -> None:
        """Takes no more requests, and waits up to `grace_s` for those under way."""
        self._server.config.timeout_graceful_shutdown = grace_s  # type: ignore[assignment]
        self._server.should_exit = True
        await self._serving


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:  # type: ignore[override, unused-ignore]
        """Leaves the signals to whoever stops the whole server."""
        yield


def _bound(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # "localhost" may be both: clients that try the newer address first come to the older one.
        family, _, _, _, address = min(found, key=lambda info: info[0] != socket.AF_INET)
        bound = socket.create_server(address, family=family)
        # asyncio sets this only for sockets that name their protocol; without it an answer's body waits for an acknowledgement.
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return bound
    except OSError:
        choice = "choose another with --rest-port (0: a free one, -1: no REST)"
        raise UserError(f"{host}:{port}: REST's port cannot be opened; is it taken? {choice}") from None
