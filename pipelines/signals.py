"""Signals that end a command as an error would, so that what it began is ended and cleared away."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn


@contextmanager
def signals_end_it() -> Iterator[None]:
    """SIGTERM and SIGHUP raise SystemExit with a shell's status for them, 128 and the signal's number. For the main thread.

    One that is ignored stays so, as SIGHUP under nohup. After the first of them all are ignored, so that
    nothing interrupts what clears away.
    """

    def end(number: int, _: FrameType | None) -> NoReturn:
        for each in heard:
            signal.signal(each, signal.SIG_IGN)
        raise SystemExit(128 + number)

    heard = [each for each in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) != signal.SIG_IGN]
    before = {each: signal.signal(each, end) for each in heard}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
