"""SIGTERM, as a node that is taken away sends it: finish the step, save, and exit so that the pipeline tries again."""

import contextlib
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

EXIT_STATUS = 128 + signal.SIGTERM  # what a shell and Kubernetes report of a process ended by the signal


@dataclass
class Preemption:
    """Whether SIGTERM has come."""

    requested: bool = False


@contextlib.contextmanager
def noticed() -> Iterator[Preemption]:
    """Within, SIGTERM ends nothing, it only sets `requested`; to be entered in the main thread."""
    preemption = Preemption()

    def notice(_number: int, _frame: FrameType | None) -> None:
        preemption.requested = True

    before = signal.signal(signal.SIGTERM, notice)
    try:
        yield preemption
    finally:
        signal.signal(signal.SIGTERM, before)
