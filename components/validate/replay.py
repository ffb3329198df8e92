"""Recorded requests sent to a server: are the answers those of the evaluation, and how long does one photo take?"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from components.common.errors import UserError
from components.common.validation import MAX_SIDE_PX, Recorded
from components.validate.failures import OtherAnswersError, TooSlowError
from serving.client.client import Client, Prediction

BATCH = 8
WARM_UP = 3
CALL_DEADLINE_S = 30.0


@dataclass(frozen=True)
class Latency:
    """Milliseconds of a request with one photo, over so many `requests`, as a client meets it."""

    p50_ms: float
    p99_ms: float
    requests: int


def replay(address: str, model: str, requests: Sequence[Recorded], times: int, until: float) -> Latency:
    """Sends every photo in batches and alone, the latter `times` in all, after a warm-up.

    Args:
        address: of the server.
        model: its name there.
        requests: what to send, and what to expect.
        times: single requests that are timed; `requests` come again until there are so many.
        until: the time of `time.monotonic()` by which all is answered.

    Raises:
        OtherAnswersError: a photo is answered otherwise, or refused.
        TooSlowError: there are requests left when the time is over.
    """
    with Client(address, model, deadline_s=CALL_DEADLINE_S, max_side_px=MAX_SIDE_PX, retries=0) as client:
        for start in range(0, len(requests), BATCH):
            _ask(client, requests[start : start + BATCH], until)
        for _ in range(WARM_UP):
            _ask(client, requests[:1], until)
        seconds: list[float] = []
        for number in range(max(times, len(requests))):
            with _timed(seconds):
                answers = _send(client, [requests[number % len(requests)]], until)
            _compare([requests[number % len(requests)]], answers)
    p50, p99 = np.percentile(seconds, [50, 99]) * 1e3
    return Latency(round(float(p50), 2), round(float(p99), 2), len(seconds))


def _ask(client: Client, requests: Sequence[Recorded], until: float) -> None:
    _compare(requests, _send(client, requests, until))


def _send(client: Client, requests: Sequence[Recorded], until: float) -> list[Prediction]:
    if time.monotonic() > until:
        raise TooSlowError("the deadline is over before all requests are answered")
    try:
        return client.predict([request.jpeg for request in requests], [request.file for request in requests])
    except UserError as error:
        raise OtherAnswersError(f"expected the answers of the evaluation, received an error: {error}") from None


def _compare(requests: Sequence[Recorded], answers: Sequence[Prediction]) -> None:
    for request, answer in zip(requests, answers, strict=True):
        if difference := request.difference(answer):
            raise OtherAnswersError(f"expected the answers of the evaluation: {difference}")


@contextmanager
def _timed(seconds: list[float]) -> Iterator[None]:
    began = time.perf_counter()
    yield
    seconds.append(time.perf_counter() - began)
