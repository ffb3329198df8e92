"""The settings of the embedded server, as the `serve` command and tests give them."""

import os
from dataclasses import dataclass

from components.common.errors import UserError
from serving.server.batching import BatchSettings

WARM_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


def cpus() -> int:
    """How many CPUs this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class ServerSettings:
    """How to listen, to batch, to limit and to end; `rest_port` -1 means no REST, port 0 a free one.

    `workers` runs of models go on at once (0: one for each CPU), each in `run_threads` threads: small models are quickest where
    every run keeps to one CPU. A process that has used TensorFlow before keeps the threads it has.

    TLS needs the server's certificate and key as PEM files; with `tls_client_ca` clients must show a certificate of that authority.
    """

    host: str = "localhost"
    port: int = 8500
    rest_port: int = -1
    max_batch: int = 32
    batch_timeout_ms: float = 0.0
    allowed_batch_sizes: str = ""
    batching: bool = True
    workers: int = 0
    run_threads: int = 1
    queue: int = 256
    max_message_bytes: int = 64 << 20
    poll_s: float = 1.0
    tls_cert: str = ""
    tls_key: str = ""
    tls_client_ca: str = ""
    log_requests: str = ""
    log_share: float = 0.01
    grace_s: float = 5.0

    def batch_settings(self) -> BatchSettings:
        """What the batcher needs.

        Raises:
            UserError: allowed sizes that are no rising numbers up to the largest batch.
        """
        return BatchSettings(
            max_batch=self.max_batch,
            timeout_s=self.batch_timeout_ms / 1000,
            sizes=self._sizes(),
            enabled=self.batching,
            queue=self.queue,
            queue_bytes=4 * self.max_message_bytes,
            workers=self.workers or cpus(),
        )

    def warm_batches(self) -> tuple[int, ...]:
        """The sizes of batches to run before a version is offered."""
        if not self.batching:
            return ()
        return self._sizes() or (*(size for size in WARM_SIZES if size < self.max_batch), self.max_batch)

    def _sizes(self) -> tuple[int, ...]:
        if not self.allowed_batch_sizes:
            return ()
        try:
            sizes = tuple(int(size) for size in self.allowed_batch_sizes.split(","))
        except ValueError:
            sizes = ()
        if not sizes or sizes[0] < 1 or sizes[-1] != self.max_batch or list(sizes) != sorted(set(sizes)):
            raise UserError(
                f"--allowed-batch-sizes: expected rising numbers that end with the largest batch ({self.max_batch}), "
                f"received {self.allowed_batch_sizes!r}"
            )
        return sizes
