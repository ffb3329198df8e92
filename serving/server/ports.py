"""A port that is free on every address of a host: gRPC itself is content with one of them, and leaves the others to others."""

import contextlib
import errno
import socket
from collections.abc import Iterator

from components.common.errors import UserError

ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


@contextlib.contextmanager
def reserved(host: str, port: int) -> Iterator[int]:
    """Holds `port` (0: a free one, which is given) on all addresses of `host` that this machine has, for who opens it in the body.

    Raises:
        UserError: the host is unknown or another machine's, or the port is taken.
    """
    chosen, held = _hold(host, port)
    with held:
        yield chosen


def taken(host: str, port: int) -> UserError:
    """The error of a port that somebody else has."""
    return UserError(f"{host}:{port}: the port cannot be opened; is it taken? Choose another with --port (0: a free one)")


def _hold(host: str, port: int) -> tuple[int, contextlib.ExitStack]:
    while True:
        with contextlib.ExitStack() as probes:
            chosen, addresses = port, 0
            try:
                for family, address in _addresses(host):
                    probe = probes.enter_context(socket.socket(family))
                    # Held, not listened on: then whoever does so as well can still open it.
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    if family == socket.AF_INET6:
                        probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address != "::")
                    if _bind(probe, address, chosen):
                        chosen, addresses = probe.getsockname()[1], addresses + 1
            except OSError as error:
                if port or error.errno != errno.EADDRINUSE:
                    raise taken(host, port) from None
                continue
            if not addresses:
                raise UserError(f"--host: expected an address of this machine, received {host!r}; 0.0.0.0 stands for all of them")
            return chosen, probes.pop_all()


def _bind(probe: socket.socket, address: str, port: int) -> bool:
    """Whether the machine has the address (localhost may name one of a family that is switched off)."""
    try:
        probe.bind((address, port))
    except OSError as error:
        if error.errno in ABSENT:
            return False
        raise
    return True


def _addresses(host: str) -> list[tuple[socket.AddressFamily, str]]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise UserError(f"--host: expected the name or address of this machine, received {host!r}, which is unknown") from None
    return [(family, str(address[0])) for family, _, _, _, address in found if family in (socket.AF_INET, socket.AF_INET6)]
