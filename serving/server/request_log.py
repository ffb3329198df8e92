"""A sample of the requests and their answers, in files: PredictionLogs as TF Serving's request logging writes them.

`<folder>/<model>/<time>-<process>-<number>.tfrecord`, each there when it is complete (`.partial` before). A thread writes them from
a queue with a bound; what does not fit, or cannot be written, is counted and left out, and no request ever waits or fails for it.
The oldest files go when all together are larger than `max_bytes`.
"""

import contextlib
import logging
import os
import queue
import random
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote

import grpc
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from components.common.index import masked_crc

if TYPE_CHECKING:
    from serving.server.core import Call

LOG_FIELDS = {"Predict": "predict_log", "Classify": "classify_log", "Regress": "regress_log"}
COMPLETE, PARTIAL = ".tfrecord", ".partial"
MAX_WAITING = 1024
Counted = Callable[[str, grpc.StatusCode], None]
logger = logging.getLogger(__name__)


@dataclass
class _File:
    """A file that is being written; `good` is the length of its whole records."""

    path: Path
    handle: BinaryIO
    opened_s: float = field(default_factory=time.monotonic)
    good: int = 0


class RequestLog:
    """An observer of calls that writes a share of them down.

    Args:
        folder: where the files go; made when it is not there.
        share: of the successful calls, 0-1.
        counted: told of each sampled call: its model, and OK or why it was left out.
        seed: the same calls in the same order give the same sample.
        max_bytes: of all complete files together.
        max_file_bytes: a file is complete at this size,
        max_file_s: or at this age.
        max_waiting_bytes: of the calls that wait to be written.
    """

    def __init__(
        self,
        folder: Path,
        share: float,
        counted: Counted,
        *,
        seed: int = 0,
        max_bytes: int = 1 << 30,
        max_file_bytes: int = 16 << 20,
        max_file_s: float = 60.0,
        max_waiting_bytes: int = 64 << 20,
    ):
        self._folder, self._share, self._counted = folder, share, counted
        self._max_bytes, self._max_file_bytes, self._max_file_s = max_bytes, max_file_bytes, max_file_s
        self._random = random.Random(seed)
        self._files: dict[str, _File] = {}
        self._number = 0
        self._in_trouble = False
        self._waiting: queue.Queue[tuple[Call, int, int] | None] = queue.Queue(MAX_WAITING)
        self._max_waiting_bytes, self._waiting_bytes = max_waiting_bytes, 0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="request-log", daemon=True)
        self._thread.start()

    def finished(self, call: "Call") -> None:
        """Takes a successful call into the sample, or not; returns at once."""
        if call.code is not grpc.StatusCode.OK or call.response is None or call.method not in LOG_FIELDS:
            return
        if self._random.random() >= self._share:
            return
        size = call.request.ByteSize() + call.response.ByteSize()
        with self._lock:
            fits = self._waiting_bytes + size <= self._max_waiting_bytes and not self._waiting.full()
            if fits:
                self._waiting_bytes += size
                self._waiting.put_nowait((call, int(time.time()), size))
        if not fits:
            self._counted(call.model, grpc.StatusCode.RESOURCE_EXHAUSTED)

    def stop(self) -> None:
        """Writes what waits and completes all files."""
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        while True:
            try:
                sample = self._waiting.get(timeout=self._until_due())
            except queue.Empty:
                self._complete_due()
                continue
            if sample is None:
                break
            call, seconds, size = sample
            self._counted(call.model, self._write(call, seconds))
            with self._lock:
                self._waiting_bytes -= size
            self._complete_due()
        for model in list(self._files):
            self._complete(model)

    def _until_due(self) -> float | None:
        opened = [file.opened_s for file in self._files.values()]
        return max(0.0, min(opened) + self._max_file_s - time.monotonic()) if opened else None

    def _complete_due(self) -> None:
        for model, file in list(self._files.items()):
            if file.good >= self._max_file_bytes or time.monotonic() - file.opened_s >= self._max_file_s:
                self._complete(model)

    def _write(self, call: "Call", seconds: int) -> grpc.StatusCode:
        record = _framed(self._log_of(call, seconds).SerializeToString())
        try:
            file = self._files.get(call.model) or self._open(call.model)
            _write_whole(file.handle, record)
            file.good += len(record)
        except OSError as error:
            self._say(error)
            if call.model in self._files:
                self._complete(call.model)
            return grpc.StatusCode.DATA_LOSS
        self._in_trouble = False
        return grpc.StatusCode.OK

    def _log_of(self, call: "Call", seconds: int) -> PredictionLog:
        response: Any = call.response
        log = PredictionLog()
        log.log_metadata.model_spec.CopyFrom(response.model_spec)
        log.log_metadata.sampling_config.sampling_rate = self._share
        log.log_metadata.timestamp_secs = seconds
        pair = getattr(log, LOG_FIELDS[call.method])
        pair.request.CopyFrom(call.request)
        pair.response.CopyFrom(response)
        return log

    def _open(self, model: str) -> _File:
        self._number += 1
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        path = self._folder / _folder_name(model) / f"{stamp}-{os.getpid()}-{self._number}{COMPLETE}"
        path.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered: a write that fails says so at once, and the records before it are whole.
        file = _File(path, path.with_name(path.name + PARTIAL).open("xb", buffering=0))
        self._files[model] = file
        return file

    def _complete(self, model: str) -> None:
        file = self._files.pop(model)
        partial = file.path.with_name(file.path.name + PARTIAL)
        try:
            with file.handle:
                file.handle.truncate(file.good)
            if file.good:
                partial.rename(file.path)
            else:
                partial.unlink()
            self._drop_oldest()
        except OSError as error:
            self._say(error)

    def _drop_oldest(self) -> None:
        """Keeps all files together below the limit; files that a killed process left behind count and go like the others."""
        writing = {file.path.with_name(file.path.name + PARTIAL) for file in self._files.values()}
        files = []
        for path in self._folder.glob("*/*"):
            # Another server that logs here may remove one meanwhile.
            with contextlib.suppress(FileNotFoundError):
                if path.suffix in (COMPLETE, PARTIAL) and path not in writing:
                    files.append((path.stat().st_mtime_ns, path, path.stat().st_size))
        total = sum(size for *_, size in files)
        for _, path, size in sorted(files):
            if total <= self._max_bytes:
                break
            path.unlink(missing_ok=True)
            total -= size

    def _say(self, error: OSError) -> None:
        if not self._in_trouble:
            logger.warning("%s: requests cannot be logged there: %s; they are answered all the same", self._folder, error.strerror)
        self._in_trouble = True


def _folder_name(model: str) -> str:
    """Whoever may reload the config names the models: none may lead out of the folder."""
    return re.sub(r"^\.", "%2E", quote(model, safe=""))


def _write_whole(handle: BinaryIO, record: bytes) -> None:
    rest = memoryview(record)
    while rest:
        rest = rest[handle.write(rest) :]


def _framed(content: bytes) -> bytes:
    """One record of a TFRecord file."""
    length = len(content).to_bytes(8, "little")
    return length + masked_crc(length).to_bytes(4, "little") + content + masked_crc(content).to_bytes(4, "little")
