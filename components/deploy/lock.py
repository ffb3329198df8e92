"""One deploy of a model at a time; what a killed one held is free again.

- In a local folder: a lock of the kernel on `<model>/.lock`, which ends with its process.
- In a bucket: the object `<model>/.lock`, which its holder writes anew every few seconds. Whoever sees it unchanged for `LEASE_S`,
  by its own clock, takes it over. The config is safe without it: each change of it is conditional on what was read (`exchange`).
"""

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from components.common import buckets, exchange
from components.common.errors import UserError
from components.common.exchange import Snapshot
from components.deploy.places import is_bucket

NAME = ".lock"
LEASE_S = 30.0
RENEWALS = 3
POLL_S = 0.2
Check = Callable[[], None]


class LostLockError(UserError):
    """Another deploy has taken the lock over; nothing more may be changed."""


@contextlib.contextmanager
def lock(root: str, wait_s: float) -> Iterator[Check]:
    """Holds the lock of the model whose versions lie in `root`; gives a function that raises where it was lost.

    Args:
        root: a local folder, made where it is missing, or `gs://bucket/path`.
        wait_s: how long to wait for another deploy to end.

    Raises:
        UserError: it did not end in that time, or the place cannot be written.
        LostLockError: (by the function) the lock is another's by now.
    """
    until = time.monotonic() + wait_s
    with _lease(root, until) if is_bucket(root) else _file(root, until) as check:
        yield check


def _under_way(root: str) -> UserError:
    return UserError(f"{root}: another deploy of this model is under way; run this one again when it has ended")


@contextlib.contextmanager
def _file(root: str, until: float) -> Iterator[Check]:
    try:
        Path(root).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{root}: the model cannot be copied there: {error.strerror}") from None
    while True:
        with exchange.locked(Path(root) / NAME, wait=False) as free:
            if free:
                yield lambda: None
                return
        if time.monotonic() > until:
            raise _under_way(root)
        time.sleep(POLL_S)


@contextlib.contextmanager
def _lease(root: str, until: float) -> Iterator[Check]:
    uri = f"{root}/{NAME}"
    mine = uuid.uuid4().hex
    _take(uri, _content(mine, 0), until, root)
    ended, lost = threading.Event(), threading.Event()
    renewing = threading.Thread(target=_renew, args=(uri, mine, ended, lost), daemon=True)
    renewing.start()

    def check() -> None:
        if lost.is_set():
            raise LostLockError(f"{root}: another deploy has taken over; look at what it did before you deploy again")

    try:
        yield check
    finally:
        ended.set()
        renewing.join()
        now = exchange.read(uri)
        if _is(now, mine):
            buckets.delete(uri, now.generation)


def _take(uri: str, content: bytes, until: float, root: str) -> None:
    seen, since = exchange.read(uri), time.monotonic()
    while not ((not seen.generation or time.monotonic() - since > LEASE_S) and exchange.write(uri, content, seen)):
        if time.monotonic() > until:
            raise _under_way(root)
        time.sleep(POLL_S)
        if (now := exchange.read(uri)) != seen:
            seen, since = now, time.monotonic()


def _renew(uri: str, mine: str, ended: threading.Event, lost: threading.Event) -> None:
    count = 0
    while not ended.wait(LEASE_S / RENEWALS):
        count += 1
        with contextlib.suppress(UserError):  # unreachable: the next time, or another takes over
            now = exchange.read(uri)
            if not _is(now, mine) or not exchange.write(uri, _content(mine, count), now):
                lost.set()
                return


def _content(mine: str, count: int) -> bytes:
    return f"{mine} {count}\n".encode()


def _is(snapshot: Snapshot, mine: str) -> bool:
    return snapshot.content.decode("utf-8", "replace").partition(" ")[0] == mine
