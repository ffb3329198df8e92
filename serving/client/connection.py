"""How a server is reached: address, TLS, bearer token, and which calls gRPC tries again by itself.

A token travels in the `authorization` header of each call; it is sent over TLS or to this machine alone, and no error says it.
"""

import functools
import json
import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from components.common.errors import UserError

PREDICT = "/tensorflow.serving.PredictionService/Predict"
STATUS = "/tensorflow.serving.ModelService/GetModelStatus"
RELOAD = "/tensorflow.serving.ModelService/HandleReloadConfigRequest"
MAX_RETRIES = 4
MESSAGE_BYTES = 64 << 20
_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):(?P<port>[0-9]{1,5})")
MAX_PORT = 65535
_THIS_MACHINE = re.compile(r"localhost|127(\.\d+){3}|\[::1\]")
_TOKEN = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True)
class Tls:
    """PEM files: `ca` to know the server by (None: the system's), and the client's own `cert` and `key` where it asks for them."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None


@dataclass(frozen=True)
class Connection:
    """A server and how it is reached.

    Args:
        server: `host:port`.
        tls: None: in clear.
        token: "" for none.
        retries: 0-4, how often a call that changes nothing is sent again, with growing pauses, after UNAVAILABLE or
            RESOURCE_EXHAUSTED (gRPC proposal A6). The whole of it stays within the call's deadline.

    Raises:
        UserError: no such address, a token without TLS to another machine or one that no header can hold, retries out of range.
    """

    server: str
    tls: Tls | None = None
    token: str = field(default="", repr=False)
    retries: int = MAX_RETRIES

    def __post_init__(self) -> None:
        address = _ADDRESS.fullmatch(self.server)
        if not address or not 1 <= int(address["port"]) <= MAX_PORT:
            raise UserError(
                f"expected a server as host:port (for example localhost:8500; port 1-{MAX_PORT}), received {self.server!r}"
            )
        if self.token and not _TOKEN.fullmatch(self.token):
            raise UserError("expected a token of printable ASCII characters without spaces, received something else")
        if self.token and not self.tls and not _THIS_MACHINE.fullmatch(address["host"]):
            raise UserError(f"{self.server}: a token is not sent in clear to another machine; use TLS (--tls-ca)")
        if not 0 <= self.retries <= MAX_RETRIES:
            raise UserError(f"retries: expected 0-{MAX_RETRIES}, received {self.retries}")

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The headers of each call."""
        return (("authorization", f"Bearer {self.token}"),) if self.token else ()

    @functools.cached_property
    def credentials(self) -> grpc.ChannelCredentials | None:
        """None: in clear.

        Raises:
            UserError: a file that cannot be read or holds something else, or a certificate without its key.
        """
        if not self.tls:
            return None
        if bool(self.tls.cert) != bool(self.tls.key):
            raise UserError("expected the client's certificate and its key together, received one of them")
        return grpc.ssl_channel_credentials(_certificates(self.tls.ca), _key(self.tls.key), _certificates(self.tls.cert))

    @property
    def options(self) -> list[tuple[str, int | str]]:
        """Options of the channel, for gRPC's synchronous and asyncio sides alike."""
        return [
            ("grpc.max_send_message_length", MESSAGE_BYTES),
            ("grpc.max_receive_message_length", MESSAGE_BYTES),
            ("grpc.enable_retries", int(self.retries > 0)),
            # What does not fit gRPC's 256 kB for this is never sent again.
            ("grpc.per_rpc_retry_buffer_size", MESSAGE_BYTES),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1000),
            ("grpc.service_config", json.dumps({"methodConfig": self._method_config()})),
        ]

    def _method_config(self) -> list[dict[str, object]]:
        if not self.retries:
            return []
        names = [dict(zip(("service", "method"), path[1:].split("/"), strict=True)) for path in (PREDICT, STATUS)]
        policy = {
            "maxAttempts": 1 + self.retries,
            "initialBackoff": "0.1s",
            "maxBackoff": "2s",
            "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
        }
        return [{"name": names, "retryPolicy": policy}]


def _certificates(path: Path | None) -> bytes | None:
    content = _read(path)
    if content is not None:
        try:
            # gRPC says nothing of what it cannot read.
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=content.decode("ascii", "ignore"))
        except (ssl.SSLError, ValueError):
            raise UserError(f"{path}: expected certificates in PEM format, received something else") from None
    return content


def _key(path: Path | None) -> bytes | None:
    content = _read(path)
    if content is not None and b"PRIVATE KEY-----" not in content:
        raise UserError(f"{path}: expected a private key in PEM format, received something else")
    return content


def _read(path: Path | None) -> bytes | None:
    try:
        return path.read_bytes() if path else None
    except OSError as error:
        raise UserError(f"{path}: expected a PEM file, cannot read it: {error.strerror}") from None
