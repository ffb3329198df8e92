"""Dynamic batching: requests that wait together run together, and one that comes alone never waits for others.

Rows of one signature of one loaded version, alike in type and in the sizes behind the rows, are joined up to `max_batch`. After a
batch of several requests the next may wait a moment (at most a quarter of that run's time) for its share of those who ask. Longer
requests are split and their answers joined. What has no rows, or a model that does not answer row by row, runs alone.

All of it lives in one event loop except the runs themselves, which worker threads make; a finished batch wakes the loop once.
"""

import asyncio
import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Protocol

import grpc
import numpy as np

from serving.server.batch import Batch, Outcome, Part
from serving.server.errors import RequestError
from serving.server.inference import Run
from serving.server.servable import Arrays, Servable, Signature
from serving.server.tensors import size_bytes

logger = logging.getLogger(__name__)
PATIENCE = 0.25
MAX_PATIENCE_S = 0.02


class BatchObserver(Protocol):
    """Is told of every run of a model."""

    def ran(
        self, model: str, version: int, requests: int, rows: int, padded_rows: int, queue_seconds: float, run_seconds: float
    ) -> None:
        """One run: what was in it, the longest wait for it, and how long it took. Must be cheap and never raise."""


@dataclass(frozen=True)
class BatchSettings:
    """How requests are joined, and how many may wait: `sizes` are the allowed sizes of a batch (none: any up to `max_batch`)."""

    max_batch: int = 32
    timeout_s: float = 0.0
    sizes: tuple[int, ...] = ()
    enabled: bool = True
    queue: int = 256
    queue_bytes: int = 256 << 20
    workers: int = 1


class Batcher:
    """Runs what it is given, in batches. Belongs to the event loop it is made in; `close` ends its threads."""

    def __init__(self, settings: BatchSettings):
        self.observers: list[BatchObserver] = []
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._lanes: OrderedDict[Hashable, deque[Part]] = OrderedDict()
        self._waiting = self._waiting_bytes = 0
        self._idle = settings.workers
        self._waiting_rows = self._running_rows = self._expected_rows = 0
        self._patient_until = 0.0
        self._scheduled: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._jobs: SimpleQueue[Batch | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._work, name=f"model-{n}", daemon=True) for n in range(settings.workers)]
        for thread in self._threads:
            thread.start()

    def check_room(self) -> None:
        """Refuses at once what would have to wait too long.

        Raises:
            RequestError: RESOURCE_EXHAUSTED, the queue is full.
        """
        if self._waiting >= self._settings.queue or self._waiting_bytes >= self._settings.queue_bytes:
            raise RequestError(
                grpc.StatusCode.RESOURCE_EXHAUSTED, "The batch scheduling queue to which this task was submitted is full"
            )

    async def run(self, servable: Servable, run: Run) -> Arrays:
        """The outputs of one run.

        Raises:
            RequestError: the queue is full, or the model refused the values.
        """
        self.check_room()
        rows = self._rows(run)
        if rows is None or rows <= self._settings.max_batch:
            return await self._wait(self._add(servable, run.signature, run.inputs, rows))
        size = self._settings.max_batch
        starts = range(0, rows, size)
        pieces = [{alias: values[start : start + size] for alias, values in run.inputs.items()} for start in starts]
        parts = [
            self._add(servable, run.signature, piece, min(size, rows - start), places=0 if start else 1)
            for start, piece in zip(starts, pieces, strict=True)
        ]
        try:
            outputs = [await self._wait(part) for part in parts]
        finally:
            for part in parts:
                self._drop(part)
        return {alias: np.concatenate([output[alias] for output in outputs]) for alias in outputs[0]}

    def close(self) -> None:
        """Ends the threads when their runs are done; what still waits is refused."""
        for lane in self._lanes.values():
            for part in lane:
                if not part.future.done():
                    part.future.set_exception(RequestError(grpc.StatusCode.UNAVAILABLE, "the server is shutting down"))
        self._lanes.clear()
        for _ in self._threads:
            self._jobs.put(None)

    def _rows(self, run: Run) -> int | None:
        """The rows of what can be joined with others, None of what runs alone."""
        if not (self._settings.enabled and run.signature.has_rows):
            return None
        rows = {len(values) for values in run.inputs.values()}
        return rows.pop() or None if len(rows) == 1 else None

    def _add(self, servable: Servable, signature: Signature, inputs: Arrays, rows: int | None, places: int = 1) -> Part:
        size = sum(map(size_bytes, inputs.values()))
        part = Part(servable, signature, inputs, rows or 0, size, places, self._loop.create_future())
        self._waiting += places
        self._waiting_rows += part.rows
        self._waiting_bytes += size
        key: Hashable = (
            (id(servable), signature.name, tuple((alias, values.dtype, values.shape[1:]) for alias, values in inputs.items()))
            if rows
            else id(part)
        )
        self._lanes.setdefault(key, deque()).append(part)
        if self._idle and not self._scheduled:
            # Not at once: what came in with the same wake-up of the loop comes along.
            self._scheduled = self._loop.call_soon(self._dispatch)
        return part

    async def _wait(self, part: Part) -> Arrays:
        try:
            return await part.future
        except asyncio.CancelledError:
            self._drop(part)
            raise

    def _drop(self, part: Part) -> None:
        """Nobody asks for the part any more; its lane forgets it when it comes to it."""
        if part.future.done() and not part.future.cancelled():
            part.future.exception()
        part.future.cancel()
        if part.bytes >= 0:
            self._leave(part)
            part.inputs = {}

    def _leave(self, part: Part) -> None:
        """The part no longer waits."""
        if part.bytes >= 0:
            self._waiting -= part.places
            self._waiting_rows -= part.rows
            self._waiting_bytes -= part.bytes
            part.bytes = -1

    def _dispatch(self) -> None:
        """Hands batches to the idle workers."""
        self._scheduled = None
        while self._idle and (parts := self._next()):
            batch = Batch(parts, self._settings.sizes)
            self._idle -= 1
            self._running_rows += batch.rows
            self._jobs.put(batch)

    def _next(self) -> list[Part]:
        """The parts of the next batch, of the lane that waits longest; none when none is due."""
        now, due = time.monotonic(), float("inf")
        for key, lane in list(self._lanes.items()):
            while lane and lane[0].future.done():
                self._leave(lane.popleft())
            if not lane:
                del self._lanes[key]
                continue
            rows = sum(part.rows for part in lane)
            ready = lane[0].arrived + self._settings.timeout_s
            if rows < self._expected_rows:
                ready = max(ready, self._patient_until)
            wait = ready - now
            if wait <= 0 or not lane[0].rows or rows >= self._settings.max_batch:
                return self._take(key, lane)
            due = min(due, wait)
        if due < float("inf") and self._timer is None:
            self._timer = self._loop.call_later(due, self._time_is_up)
        return []

    def _time_is_up(self) -> None:
        self._timer = None
        self._dispatch()

    def _take(self, key: Hashable, lane: deque[Part]) -> list[Part]:
        parts: list[Part] = []
        room = self._settings.max_batch
        while lane and (not parts or lane[0].rows <= room):
            part = lane.popleft()
            self._leave(part)
            if not part.future.done():
                parts.append(part)
                room -= part.rows
        if lane:
            self._lanes.move_to_end(key)
        else:
            del self._lanes[key]
        return parts

    def _work(self) -> None:
        """A worker thread."""
        while (batch := self._jobs.get()) is not None:
            outcomes = batch.run()
            try:
                self._loop.call_soon_threadsafe(self._finish, batch, outcomes)
            except RuntimeError:
                # The loop is closed: nobody waits any more.
                return

    def _finish(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        self._idle += 1
        self._running_rows -= batch.rows
        # Those who are answered now ask again at once, as a rule. The first of them would run alone; together they are cheaper.
        shared = (batch.rows + self._running_rows + self._waiting_rows) // self._settings.workers
        self._expected_rows = shared if len(batch.parts) > 1 else 0
        self._patient_until = time.monotonic() + min(batch.seconds * PATIENCE, MAX_PATIENCE_S)
        self._dispatch()
        for part, outcome in zip(batch.parts, outcomes, strict=True):
            if part.future.done():
                continue
            if isinstance(outcome, RequestError):
                part.future.set_exception(outcome)
            elif isinstance(outcome, Exception):
                logger.error("%s version %s failed", part.servable.name, part.servable.version, exc_info=outcome)
                part.future.set_exception(RequestError(grpc.StatusCode.INTERNAL, f"the model failed: {type(outcome).__name__}"))
            else:
                part.future.set_result(outcome)
        first = batch.parts[0]
        for observer in self.observers:
            observer.ran(
                first.servable.name,
                first.servable.version,
                len(batch.parts),
                batch.rows,
                batch.padded_rows,
                batch.started - first.arrived,
                batch.seconds,
            )
