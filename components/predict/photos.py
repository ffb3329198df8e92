"""Photos made ready for the model by threads that read ahead, a bounded number at a time: memory does not grow with their number.

A photo is prepared as the client prepares it (upright, gray or RGB, JPEG), so the answers are those that a server would give.
"""

import io
import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from PIL import Image

from components.common.errors import UserError
from components.predict.place import Place
from serving.client.photo import prepare

MAX_PHOTO_BYTES = 64 * 2**20
# What Pillow's readers raise of odd bytes beside what `prepare` names: one photo is not worth the others. No NameError.
_READER_ERRORS = (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError, struct.error, zlib.error)
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Ready:
    """One photo: what the model gets, empty where `error` says why not; `scale` (x, y) takes boxes back to the upright photo,
    which is `size` (width, height) pixels large."""

    file: str
    jpeg: bytes = b""
    scale: tuple[float, float] = (1.0, 1.0)
    size: tuple[int, int] = (0, 0)
    error: str = ""


def read_photo(place: Place, file: str, size_bytes: int) -> Ready:
    """Reads and prepares one photo; what is wrong with it is in `error`.

    Raises:
        UserError: a bucket does not answer, or has lost the photo: nothing that is the photo's fault.
    """
    if size_bytes > MAX_PHOTO_BYTES:
        return Ready(file, error=f"expected at most {MAX_PHOTO_BYTES} bytes, found {size_bytes}")
    try:
        data = place.read(file)
    except OSError as error:
        return Ready(file, error=error.strerror or str(error))
    try:
        photo = prepare(data, file)
        with Image.open(io.BytesIO(photo.jpeg)) as sent:
            width, height = (round(side * factor) for side, factor in zip(sent.size, photo.box_scale, strict=True))
    except UserError as error:
        return Ready(file, error=str(error).removeprefix(f"{' '.join(file.split())}: "))
    except _READER_ERRORS as error:
        return Ready(file, error=f"expected a photo, it does not decode: {type(error).__name__}: {error}")
    return Ready(file, photo.jpeg, photo.box_scale, (width, height))


def read_ahead(work: Callable[[T], R], items: Iterable[T], *, threads: int, ahead: int) -> Iterator[R]:
    """`work` of each item, in their order; up to `ahead` results are there before they are asked for."""
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[R]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
