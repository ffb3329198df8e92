"""A load generator: requests that are made beforehand, sent by one event loop, so that little but the server's work is measured.

Closed loop: each of `concurrency` clients sends its next request when its last is answered. Open loop (`rate`): they are due at
even times whatever the server does; a latency counts from when a request was due, so that a server that falls behind shows it.
"""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import grpc
import numpy as np
from numpy.typing import NDArray

from components.common.errors import UserError
from serving.client.connection import PREDICT, Connection, Tls
from serving.client.messages.tf_serving_pb2 import PredictResponse

CONNECT_DEADLINE_S = 10.0
OK = grpc.StatusCode.OK.name


@dataclass(frozen=True)
class Result:
    """Every call of a run, in the order of their ends; all arrays are (n,).

    Args:
        seconds: from the first request to the last answer.
        starts_s: when each was sent (open loop: due), from the begin of the run.
        latencies_s: from then to its answer.
        codes: gRPC's names, such as OK and RESOURCE_EXHAUSTED.
        versions: of the model that answered; 0 for a failure, or where they were not read.
    """

    seconds: float
    starts_s: NDArray[np.float64]
    latencies_s: NDArray[np.float64]
    codes: NDArray[np.str_]
    versions: NDArray[np.int64]

    @property
    def counts(self) -> dict[str, int]:
        """Calls by code."""
        return dict(Counter(self.codes.tolist()))

    @property
    def answered_per_s(self) -> float:
        """Calls that ended well, a second."""
        return self.counts.get(OK, 0) / self.seconds

    def latency_ms(self, percent: float, code: str = OK) -> float:
        """A percentile of the latencies of calls that ended with `code`; nan where there is none."""
        chosen = self.latencies_s[self.codes == code]
        return float(np.percentile(chosen, percent)) * 1000 if len(chosen) else float("nan")


async def run(
    server: str,
    requests: Sequence[bytes],
    *,
    concurrency: int,
    seconds: float,
    rate: float | None = None,
    deadline_s: float = 30.0,
    read_versions: bool = False,
    tls: Tls | None = None,
    token: str = "",
) -> Result:
    """Sends serialized PredictRequests, over and over in their order, for `seconds`, and waits for the last answers.

    Nothing is sent twice. With `rate` (requests a second), no more than `concurrency` are under way either: what comes due while
    all are is sent late, and its latency says so. What is still not sent when `seconds` are over never is.

    Raises:
        UserError: the server is not there.
    """
    connection = Connection(server, tls, token, retries=0)
    credentials, options = connection.credentials, connection.options
    calls: list[tuple[float, float, str, int]] = []
    async with (
        grpc.aio.secure_channel(server, credentials, options) if credentials else grpc.aio.insecure_channel(server, options)
    ) as channel:
        try:
            await asyncio.wait_for(channel.channel_ready(), CONNECT_DEADLINE_S)
        except TimeoutError:
            raise UserError(f"{server}: no server answers there; start one with `python -m serving serve`") from None
        predict = channel.unary_unary(PREDICT)
        numbers = itertools.count()
        begin = time.perf_counter()

        async def client() -> None:
            for number in numbers:
                start = begin + number / rate if rate else time.perf_counter()
                if max(start, time.perf_counter()) >= begin + seconds:
                    return
                if rate and start > time.perf_counter():
                    await asyncio.sleep(start - time.perf_counter())
                code, version = OK, 0
                try:
                    answer = await predict(requests[number % len(requests)], timeout=deadline_s, metadata=connection.metadata)
                except grpc.aio.AioRpcError as error:
                    code = error.code().name
                end = time.perf_counter()
                if read_versions and code == OK:
                    version = PredictResponse.FromString(answer).model_spec.version.value
                calls.append((start - begin, end - start, code, version))

        await asyncio.gather(*(client() for _ in range(concurrency)))
        elapsed = time.perf_counter() - begin
    starts, latencies, codes, versions = zip(*calls, strict=True) if calls else ((), (), (), ())
    return Result(elapsed, np.array(starts, float), np.array(latencies, float), np.array(codes, str), np.array(versions, np.int64))
