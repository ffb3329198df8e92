"""Augmentation in worker processes: photos travel in shared memory, and a socket carries a few bytes a batch.

- A worker is a fresh interpreter that imports the policy; neither TensorFlow nor the main module.
- Whichever worker takes a batch, the same seed gives the same result.
- A worker that dies or fails ends in one `UserError`, which every later call raises again; nobody waits for ever.
- However this process ends, its workers read the end of their sockets and leave. The shared memory has no name (`memfd_create`): it
  goes with the last process that holds it, and the size of /dev/shm does not limit it.

This module is also a worker's main module. Linux only.
"""

import contextlib
import importlib
import mmap
import os
import queue
import signal
import socket
import struct
import subprocess
import sys
import traceback
from types import TracebackType

import numpy as np

from components.common.errors import UserError

_REQUEST = struct.Struct("=3Iq")  # photos, height, width, seed
_DONE = b"done"
_MAX_ANSWER = 4096


class Workers:
    """Worker processes that run one policy. They start at once and side by side; the first call waits until its worker is ready."""

    def __init__(self, policy: str, count: int, strength: float):
        """Starts the workers.

        Args:
            policy: full name of a module with `augment(photos, boxes, seed, strength)` on NumPy arrays.
            count: how many workers, at least 1.
            strength: the policy's own, 0-1.
        """
        self._failure = ""
        self._closed = False
        self._workers = [_Worker(policy, strength) for _ in range(count)]
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)

    def __call__(self, photos: np.ndarray, boxes: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Augments one batch in the next idle worker; any number of threads may call at the same time.

        Args:
            photos: uint8 `(n, height, width, 3)`.
            boxes: float32 `(n, 4)`.
            seed: fits in int64.

        Returns:
            New arrays of the same shapes and types.

        Raises:
            UserError: the policy failed or a worker died.
            StopIteration: the workers are closed; to TensorFlow, which may still read ahead, that is the end, and nothing to log.
        """
        worker = self._idle.get()
        try:
            if not (self._closed or self._failure):
                return worker.augment(photos, boxes, seed)
        except _WorkerError as error:
            self._failure = self._failure or str(error)
        finally:
            self._idle.put(worker)
        if self._closed:
            raise StopIteration
        raise UserError(self._failure)

    def close(self) -> None:
        """Ends the workers at once; calls under way raise `StopIteration`."""
        self._closed = True
        for worker in self._workers:
            worker.stop()
        for worker in [self._idle.get() for _ in self._workers]:
            worker.release()
            self._idle.put(worker)

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class _WorkerError(Exception):
    """A worker died or its policy failed."""


class _Worker:
    """One process, its socket and its shared memory; used by one thread at a time, but for `stop`."""

    def __init__(self, policy: str, strength: float):
        self._policy = policy
        self._ready = False
        self._memory: mmap.mmap | None = None
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                # The socket is the worker's stdin: the one descriptor that arrives safely even if ours is closed.
                [sys.executable, "-P", "-m", __name__, policy, repr(strength)],
                stdin=theirs.fileno(),
                # Each worker is one core's work, so that libraries need no threads of their own.
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path)),
                    "OMP_NUM_THREADS": "1",
                    "OPENBLAS_NUM_THREADS": "1",
                },
                # Ctrl-C in a terminal is for this process alone.
                start_new_session=True,
            )

    def augment(self, photos: np.ndarray, boxes: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        size = photos.nbytes + boxes.nbytes
        with contextlib.ExitStack() as stack:
            fresh = []
            if self._memory is None or len(self._memory) < size:
                fresh.append(os.memfd_create("augmentation"))
                stack.callback(os.close, fresh[0])
                os.ftruncate(fresh[0], size)
                self._memory = mmap.mmap(fresh[0], size)
            n, height, width, _ = photos.shape
            shared_photos, shared_boxes = _views(self._memory, n, height, width)
            np.copyto(shared_photos, photos)
            np.copyto(shared_boxes, boxes)
            self._exchange(_REQUEST.pack(n, height, width, seed), fresh)
        return shared_photos.copy(), shared_boxes.copy()

    def _exchange(self, request: bytes, descriptors: list[int]) -> None:
        try:
            if not self._ready:
                self._receive()
                self._ready = True
            socket.send_fds(self._socket, [request], descriptors)
            self._receive()
        except OSError:
            raise _WorkerError(self._death()) from None

    def _receive(self) -> None:
        answer = self._socket.recv(_MAX_ANSWER)
        if not answer:
            raise ConnectionResetError
        if answer != _DONE:
            raise _WorkerError(f"{self._policy} failed in an augmentation worker: {answer.decode(errors='replace')}")

    def _death(self) -> str:
        status = self._process.wait()
        if status == -signal.SIGKILL:
            return "an augmentation worker was killed (SIGKILL), as when memory runs out; give more memory or use fewer workers"
        how = f"by {signal.Signals(-status).name}" if status < 0 else f"with exit status {status}"
        return f"an augmentation worker that ran {self._policy} ended {how}; what it printed before may say why"

    def stop(self) -> None:
        """Ends the process; a thread that waits for its answer is told so."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._process.kill()
        self._process.wait()

    def release(self) -> None:
        self._socket.close()
        self._memory = None


def _views(memory: mmap.mmap, n: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The photos and boxes of a batch in shared memory."""
    boxes = np.frombuffer(memory, np.float32, 4 * n).reshape(n, 4)
    photos = np.frombuffer(memory, np.uint8, n * height * width * 3, offset=boxes.nbytes)
    return photos.reshape(n, height, width, 3), boxes


def _work(policy: str, strength: float, parent: socket.socket) -> None:
    """A worker's life: says that it is ready, then augments batch after batch in place until its parent has gone."""
    import cv2  # here, so that the parent does without

    cv2.setNumThreads(0)
    augment = importlib.import_module(policy).augment
    parent.send(_DONE)
    while True:
        request, descriptors, _, _ = socket.recv_fds(parent, _REQUEST.size, 1)
        if not request:
            return
        if descriptors:
            memory = mmap.mmap(descriptors[0], 0)
            os.close(descriptors[0])
        n, height, width, seed = _REQUEST.unpack(request)
        batch = _views(memory, n, height, width)
        for shared, augmented in zip(batch, augment(*batch, seed, strength), strict=True):
            np.copyto(shared, augmented, casting="no")
        parent.send(_DONE)


def main() -> None:
    """A worker, started by `Workers`: its socket is stdin."""
    with socket.socket(fileno=0) as parent, contextlib.suppress(ConnectionError):
        try:
            _work(sys.argv[1], float(sys.argv[2]), parent)
        except ConnectionError:
            raise
        except Exception as error:
            traceback.print_exc()
            parent.send(f"{type(error).__name__}: {error}".encode()[:_MAX_ANSWER])
            sys.exit(1)


if __name__ == "__main__":
    main()
