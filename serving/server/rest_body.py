"""Bodies of REST requests, read within bounds: of one body, of all bodies at once, and of the time one takes to arrive.

`Content-Encoding: gzip` is opened, as TF Serving does, and no further than a body may be large.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request

GZIP_WINDOW = 31
ARRIVAL_S = 30.0


class BodyError(Exception):
    """A body that is not taken: an HTTP status and why."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


class Bodies:
    """Reads bodies of at most `max_bytes` each and `max_held_bytes` together; belongs to one event loop."""

    def __init__(self, max_bytes: int, max_held_bytes: int):
        self._max_bytes, self._max_held_bytes = max_bytes, max_held_bytes
        self._held_bytes = 0

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """The body of `request`, which counts as held until the block ends.

        Raises:
            BodyError: too large (413), too slow (408), no gzip (400), or too much is held already (429).
            ClientDisconnect: the client went away.
        """
        held = 0
        try:
            parts = []
            if int(request.headers.get("content-length", "0")) > self._max_bytes:
                raise self._too_large()
            try:
                async with asyncio.timeout(ARRIVAL_S):
                    async for part in request.stream():
                        held += len(part)
                        self._hold(held, len(part))
                        parts.append(part)
            except TimeoutError:
                raise BodyError(408, f"the body did not arrive within {ARRIVAL_S:.0f} s") from None
            body = b"".join(parts)
            if "gzip" in request.headers.get("content-encoding", ""):
                body = await asyncio.to_thread(self._opened, body)
                held += len(body)
                self._hold(0, len(body))
            yield body
        finally:
            self._held_bytes -= held

    def _hold(self, length: int, more: int) -> None:
        self._held_bytes += more
        if length > self._max_bytes:
            raise self._too_large()
        if self._held_bytes > self._max_held_bytes:
            raise BodyError(429, "too many large requests at once; try again later")

    def _opened(self, body: bytes) -> bytes:
        opener = zlib.decompressobj(GZIP_WINDOW)
        try:
            opened = opener.decompress(body, self._max_bytes + 1)
        except zlib.error:
            raise BodyError(400, "Failed to uncompress the gzipped body") from None
        if len(opened) > self._max_bytes:
            raise self._too_large()
        if not opener.eof:
            raise BodyError(400, "Failed to uncompress the gzipped body")
        return opened

    def _too_large(self) -> BodyError:
        return BodyError(413, f"the body is larger than max ({self._max_bytes} bytes)")
