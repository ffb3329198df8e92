"""What the synchronous and the asyncio client have in common: their settings, and what these make of photos and failures."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import grpc

from serving.client.connection import MAX_RETRIES, Connection, Tls
from serving.client.failures import CallError, call_error
from serving.client.photo import MAX_SIDE_PX, Photo, PhotoLike, name_of, prepare
from serving.client.wire import Model


@dataclass(eq=False)
class BaseClient:
    """Asks one model of one server.

    Args:
        server: `host:port`. Nothing is sent before the first call.
        model: the model's name.
        version, label: which version predicts; neither: the latest. Not both.
        deadline_s: for each request with all its retries.
        tls, token, retries: see `Connection`.
        max_side_px: a longer photo is sent smaller.

    Raises:
        UserError: an argument that cannot be, or a certificate that cannot be read.
    """

    server: str
    model: str = "marque"
    _: KW_ONLY
    version: int | None = None
    label: str = ""
    deadline_s: float = 10.0
    tls: Tls | None = None
    token: str = field(default="", repr=False)
    max_side_px: int = MAX_SIDE_PX
    retries: int = MAX_RETRIES

    def __post_init__(self) -> None:
        self._asked = Model(self.model, self.version, self.label)
        self._connection = Connection(self.server, self.tls, self.token, self.retries)
        self._channel = self._open()

    def _open(self) -> Any:
        raise NotImplementedError

    def _prepare(self, photos: Sequence[PhotoLike], names: Sequence[str]) -> list[Photo]:
        names = names or [name_of(photo, number) for number, photo in enumerate(photos, 1)]
        return [prepare(photo, name, self.max_side_px) for photo, name in zip(photos, names, strict=True)]

    def _failure(self, error: grpc.RpcError, method: str) -> CallError:
        return call_error(error, method, self._connection, self._asked, self.deadline_s)
