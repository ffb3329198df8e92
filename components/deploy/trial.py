"""A new version on its servers: answers as evaluated through its label, and serves no worse than the version before it."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from components.common.errors import UserError
from components.common.validation import MAX_SIDE_PX, Recorded
from serving.client.client import Client


@dataclass(frozen=True)
class Limits:
    """`load_s` for a version to become available; `call_s` for one answer; `watched` requests to each of two versions on a server.

    The new version's median latency may be `max_slowdown` times the former's, and `slack_ms` on top: medians, as the tail of so few
    requests is noise.
    """

    load_s: float = 300.0
    call_s: float = 10.0
    watched: int = 40
    max_slowdown: float = 2.0
    slack_ms: float = 20.0


@dataclass
class _Watched:
    """What became of the requests to one version."""

    client: Client
    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def ask(self, request: Recorded, version: int, check: bool) -> None:
        began = time.perf_counter()
        if error := _problem(self.client, request, version, check):
            self.errors.append(error)
        self.seconds.append(time.perf_counter() - began)

    @property
    def median_ms(self) -> float:
        return statistics.median(self.seconds) * 1e3


def smoke_test(server: str, model: str, label: str, version: int, requests: Sequence[Recorded], limits: Limits) -> None:
    """Asks `server` for every recorded photo through `label`.

    Raises:
        UserError: an answer that is an error, not the recorded one, or another version's.
    """
    with _client(server, model, limits, label=label) as client:
        for request in requests:
            if problem := _problem(client, request, version, check=True):
                raise UserError(f"smoke test on {server} through {label}: {problem}")


def watch(
    server: str, model: str, label: str, version: int, former: int | None, requests: Sequence[Recorded], limits: Limits
) -> str:
    """Asks `server` in turn through `label`, which points to `version`, and for the version `former`, where there is one.

    Returns:
        The figures, in words.

    Raises:
        UserError: `version` fails more often, or is slower, than it may.
    """
    with _client(server, model, limits, label=label) as new, _client(server, model, limits, version=former) as old:
        watched, compared = _Watched(new), _Watched(old)
        for number in range(limits.watched):
            request = requests[number % len(requests)]
            watched.ask(request, version, check=True)
            if former is not None:
                compared.ask(request, former, check=False)
    if len(watched.errors) > len(compared.errors):
        raise UserError(
            f"watch on {server}: {len(watched.errors)} of {limits.watched} requests to version {version} failed, "
            f"{len(compared.errors)} to version {former or 'before'}: {watched.errors[0]}"
        )
    if former is None:
        return f"p50 {watched.median_ms:.1f} ms"
    if watched.median_ms > (allowed_ms := limits.max_slowdown * compared.median_ms + limits.slack_ms):
        raise UserError(
            f"watch on {server}: expected a p50 of at most {allowed_ms:.1f} ms ({limits.max_slowdown:g} x {compared.median_ms:.1f} "
            f"ms of version {former} + {limits.slack_ms:g}), measured {watched.median_ms:.1f} ms of version {version}"
        )
    return f"p50 {watched.median_ms:.1f} ms, of version {former} {compared.median_ms:.1f} ms"


def _client(server: str, model: str, limits: Limits, *, label: str = "", version: int | None = None) -> Client:
    """A client that never tries again: an error counts."""
    return Client(server, model, version=version, label=label, deadline_s=limits.call_s, max_side_px=MAX_SIDE_PX, retries=0)


def _problem(client: Client, request: Recorded, version: int, check: bool) -> str:
    """What is wrong with the answer to `request`, or what error came in its place; "" for nothing."""
    try:
        (answer,) = client.predict([request.jpeg], [request.file])
    except UserError as error:
        return f"{request.file}: {error}"
    if answer.version != version:
        return f"{request.file}: expected an answer of version {version}, received one of version {answer.version}"
    return request.difference(answer) if check else ""
