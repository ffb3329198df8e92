"""One batch: its requests joined, run, and what came of each of them.

Joined rows are filled up to an allowed size with copies of the first. Where a joined run fails, its halves run, so that a broken
photo fails its own request alone.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import grpc
import numpy as np

from serving.server.errors import RequestError
from serving.server.servable import Arrays, Servable, Signature

Outcome = Arrays | Exception


@dataclass(eq=False)
class Part:
    """What waits: a request, or a piece of a long one (the first of them takes the place in the queue)."""

    servable: Servable
    signature: Signature
    inputs: Arrays
    rows: int
    bytes: int
    places: int
    future: "asyncio.Future[Arrays]"
    arrived: float = field(default_factory=time.monotonic)


@dataclass(eq=False)
class Batch:
    """What runs together, filled up to the next of `sizes`; `seconds` is how long it ran."""

    parts: list[Part]
    sizes: Sequence[int] = ()
    started: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    padded_rows: int = 0

    @property
    def rows(self) -> int:
        """0 of what runs alone."""
        return sum(part.rows for part in self.parts)

    def run(self) -> list[Outcome]:
        """What came of each part."""
        began = time.monotonic()
        outcomes = self._outcomes(self.parts)
        self.seconds = time.monotonic() - began
        return outcomes

    def _outcomes(self, parts: Sequence[Part]) -> list[Outcome]:
        first = parts[0]
        try:
            if not first.rows:
                return [first.servable.run(first.signature, first.inputs)]
            return self._joined(parts)
        except Exception as error:
            if len(parts) == 1:
                return [error]
            half = len(parts) // 2
            return [*self._outcomes(parts[:half]), *self._outcomes(parts[half:])]

    def _joined(self, parts: Sequence[Part]) -> list[Outcome]:
        first, rows = parts[0], sum(part.rows for part in parts)
        size = next((size for size in self.sizes if size >= rows), rows)
        inputs = {}
        for alias, values in first.inputs.items():
            pieces = [part.inputs[alias] for part in parts]
            pieces += [values[:1]] * (size - rows)
            inputs[alias] = np.concatenate(pieces) if len(pieces) > 1 else values
        outputs = first.servable.run(first.signature, inputs)
        if any(len(values) != size for values in outputs.values()):
            if len(parts) == 1:
                return [first.servable.run(first.signature, first.inputs)]
            message = "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the input tensors"
            raise RequestError(grpc.StatusCode.FAILED_PRECONDITION, message)
        self.padded_rows += size - rows
        outcomes: list[Outcome] = []
        start = 0
        for part in parts:
            outcomes.append({alias: values[start : start + part.rows] for alias, values in outputs.items()})
            start += part.rows
        return outcomes
