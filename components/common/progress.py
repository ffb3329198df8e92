"""Progress of long work: a bar in a terminal, a plain line every few seconds elsewhere (a pod's log, CI)."""

import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from rich.console import Console
from rich.progress import track as bar

LINE_EVERY_S = 10.0
T = TypeVar("T")


def track(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Passes `items` on and shows how many have gone by, out of `total` (their length when they have one)."""
    console = Console(stderr=True)
    if console.is_terminal:
        yield from bar(items, what, total, console=console, transient=True)
        return
    if total is None and isinstance(items, Sized):
        total = len(items)
    said = time.monotonic()
    count = 0
    for count, item in enumerate(items, 1):
        yield item
        if time.monotonic() - said >= LINE_EVERY_S:
            said = time.monotonic()
            console.print(f"{what}: {count}{f' of {total}' if total else ''}", highlight=False)
    console.print(f"{what}: {count}, done", highlight=False)
