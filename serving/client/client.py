"""A client that works unchanged against the embedded server and TF Serving, and says in one line what went wrong.

Photos travel in as few requests as stay under `REQUEST_BYTES`; a photo larger than that travels alone.
"""

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import grpc
import numpy as np

from components.common.errors import UserError
from serving.client import wire
from serving.client.photo import Photo, prepare

REQUEST_BYTES = 4_000_000
REQUEST_PHOTOS = 32
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):\d{1,5}")


@dataclass(frozen=True)
class Prediction:
    """What the model says of one photo: candidates, best first, with probabilities; the box x1, y1, x2, y2 in upright pixels."""

    labels: list[str]
    scores: list[float]
    box: tuple[float, float, float, float]


class Client:
    """Asks one model of one server. Use it in a `with` statement, or call `close`."""

    def __init__(self, server: str, model: str = "marque", *, deadline_s: float = 10.0):
        """`server` is `host:port`; `deadline_s` is for each request. Nothing is sent yet.

        Raises:
            UserError: `server` is no `host:port`.
        """
        if not _ADDRESS.fullmatch(server):
            raise UserError(f"expected a server as host:port (for example localhost:8500), received {server!r}")
        self._server = server
        self._model = model
        self._deadline_s = deadline_s
        self._channel = grpc.insecure_channel(server)

    def predict(self, photos: Sequence[bytes], names: Sequence[str] = ()) -> list[Prediction]:
        """One prediction a photo, in their order; `names` are what errors call them.

        Raises:
            UserError: a photo is not an image; the server is not there, late, without the model, or refuses the request.
        """
        names = names or [f"photo {number}" for number in range(1, len(photos) + 1)]
        prepared = [prepare(data, name) for data, name in zip(photos, names, strict=True)]
        predictions = []
        for batch in _batches(prepared):
            with self._one_line_failures():
                outputs = wire.call_predict(self._channel, self._model, [photo.jpeg for photo in batch], self._deadline_s)
            for labels, scores, box, photo in zip(outputs["labels"], outputs["scores"], outputs["boxes"], batch, strict=True):
                x1, y1, x2, y2 = (float(edge) for edge in np.multiply(box, photo.box_scale * 2))
                text = [label.decode("utf-8", "replace") for label in labels]
                predictions.append(Prediction(text, [float(score) for score in scores], (x1, y1, x2, y2)))
        return predictions

    def status(self) -> list[tuple[int, str, str]]:
        """(version, state such as AVAILABLE, error message) of every version that the server knows.

        Raises:
            UserError: the server is not there, late, or without the model.
        """
        with self._one_line_failures():
            return wire.call_status(self._channel, self._model, self._deadline_s)

    def close(self) -> None:
        """Closes the connection."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @contextlib.contextmanager
    def _one_line_failures(self) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as error:
            raise UserError(f"{self._server}: {self._explain(error.code(), error.details())}") from None

    def _explain(self, code: grpc.StatusCode, details: str) -> str:
        match code:
            case grpc.StatusCode.UNAVAILABLE | grpc.StatusCode.CANCELLED:
                return "no server answers there; start one with `python -m serving serve` or give its address with --server"
            case grpc.StatusCode.DEADLINE_EXCEEDED:
                return f"no answer within {self._deadline_s:g} s; raise --deadline, send fewer photos or look at the server"
            case grpc.StatusCode.NOT_FOUND:
                return f"expected a model named {self._model!r}, which is not served there ({details}); choose with --model"
            case grpc.StatusCode.RESOURCE_EXHAUSTED:
                return f"the photo is too large for the server ({details}); shrink it or raise the server's limit"
            case grpc.StatusCode.INVALID_ARGUMENT:
                return f"the server refused the photos: {details}"
            case _:
                return f"expected a server that speaks TF Serving's API, received {code.name}: {details}"


def _batches(photos: Sequence[Photo]) -> Iterator[list[Photo]]:
    batch: list[Photo] = []
    for photo in photos:
        size = sum(len(other.jpeg) for other in batch) + len(photo.jpeg)
        if batch and (size > REQUEST_BYTES or len(batch) == REQUEST_PHOTOS):
            yield batch
            batch = []
        batch.append(photo)
    if batch:
        yield batch
