"""The servers that a list of addresses means.

A name that stands for several addresses (a headless service of Kubernetes) stands for all of them; of a machine with addresses of
both kinds, those of IPv4 count.
"""

import socket

from components.common.errors import UserError
from serving.client.connection import Connection


def addresses_of(servers: str) -> tuple[str, ...]:
    """Each server once, as `host:port`, of a list with commas; none for "".

    Raises:
        UserError: no `host:port`, or a host that is unknown.
    """
    names = [name.strip() for name in servers.split(",") if name.strip()]
    return tuple(dict.fromkeys(address for name in names for address in _resolved(name)))


def _resolved(name: str) -> list[str]:
    Connection(name)  # says what an address is
    host, _, port = name.rpartition(":")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # the latter of names that DNS could not have, such as a..b
        reason = error.strerror if isinstance(error, OSError) else "no such name can be"
        raise UserError(f"servers: expected the address of a server, received {name!r}: {reason}") from None
    by_kind = {kind: [each[4][0] for each in found if each[0] == kind] for kind in (socket.AF_INET, socket.AF_INET6)}
    addresses = [f"{ip}:{port}" for ip in by_kind[socket.AF_INET]] or [f"[{ip}]:{port}" for ip in by_kind[socket.AF_INET6]]
    return sorted(set(addresses)) if len(set(addresses)) > 1 else [name]
