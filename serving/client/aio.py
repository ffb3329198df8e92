"""The asyncio client: as the synchronous one, and many photos at once with bounded memory and a bounded number of requests.

A client belongs to the event loop that runs when it is made.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncGenerator, Generator, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import grpc

from components.common.errors import UserError
from serving.client import wire
from serving.client.base import BaseClient
from serving.client.connection import PREDICT, RELOAD, STATUS
from serving.client.failures import PhotosError
from serving.client.messages import tf_serving_pb2 as messages
from serving.client.photo import Photo, PhotoLike, is_address, load
from serving.client.wire import Prediction, VersionStatus


@dataclass(frozen=True)
class Outcome:
    """What became of one photo: its prediction, or why it was set aside. `photo` is as given, or the bytes behind an address."""

    name: str
    photo: PhotoLike
    prediction: Prediction | None
    error: str = ""


@dataclass(eq=False)
class AsyncClient(BaseClient):
    """Asks one model of one server; settings as of `BaseClient`, and at most `concurrency` requests under way at a time.

    Use it in an `async with` statement, or await `close`.
    """

    concurrency: int = 4

    def __post_init__(self) -> None:
        if self.concurrency < 1:
            raise UserError(f"concurrency: expected 1 or more, received {self.concurrency}")
        self._slots = asyncio.Semaphore(self.concurrency)
        super().__post_init__()

    async def predict(self, photos: Sequence[PhotoLike], names: Sequence[str] = ()) -> list[Prediction]:
        """One prediction a photo, in their order; `names` are what errors call them.

        Raises:
            UserError: as `Client.predict`.
        """
        prepared = await asyncio.to_thread(self._prepare, photos, names)
        batches = [asyncio.create_task(self._predict(batch)) for batch in wire.batches(prepared)]
        try:
            return [prediction for batch in batches for prediction in await batch]
        finally:
            await _cancel(batches)

    async def each(self, photos: Iterable[tuple[str, PhotoLike]]) -> AsyncGenerator[Outcome, None]:
        """What became of each of any number of (name, photo), in their order; `photos` is read as the work goes on.

        A photo that cannot be read, does not decode or that the server refuses is set aside.

        Raises:
            UserError: the server is not there, late, without the model, or refuses all photos of a request.
        """
        remaining = iter(photos)
        started: deque[asyncio.Task[list[Outcome]]] = deque()

        def start_more() -> None:
            while len(started) < self.concurrency and (some := list(itertools.islice(remaining, wire.REQUEST_PHOTOS))):
                started.append(asyncio.create_task(self._outcomes(some)))

        start_more()
        try:
            while started:
                outcomes = await started[0]
                started.popleft()
                start_more()
                for outcome in outcomes:
                    yield outcome
        finally:
            await _cancel(started)

    async def status(self) -> list[VersionStatus]:
        """As `Client.status`."""
        return wire.read_status(await self._call(STATUS, self._asked.status_request(), messages.GetModelStatusResponse))

    async def reload(self, config: messages.ModelServerConfig) -> None:
        """As `Client.reload`."""
        wire.check_reload(await self._call(RELOAD, messages.ReloadConfigRequest(config=config), messages.ReloadConfigResponse))

    async def close(self) -> None:
        """Closes the connection."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    def _open(self) -> grpc.aio.Channel:
        credentials, options = self._connection.credentials, self._connection.options
        if credentials:
            return grpc.aio.secure_channel(self.server, credentials, options)
        return grpc.aio.insecure_channel(self.server, options)

    async def _call(self, method: str, request: Any, response: type[Any]) -> Any:
        call = self._channel.unary_unary(method, type(request).SerializeToString, response.FromString)
        try:
            async with self._slots:
                return await call(request, timeout=self.deadline_s, metadata=self._connection.metadata)
        except grpc.RpcError as error:
            raise self._failure(error, method) from None

    async def _predict(self, batch: list[Photo]) -> list[Prediction]:
        response = await self._call(PREDICT, self._asked.predict_request(batch), messages.PredictResponse)
        return self._asked.read_predictions(response, batch)

    async def _outcomes(self, some: list[tuple[str, PhotoLike]]) -> list[Outcome]:
        prepared = await asyncio.to_thread(lambda: [self._attempt(name, photo) for name, photo in some])
        sendable = [photo for _, photo, _ in prepared if photo]
        answers = iter([answer for batch in wire.batches(sendable) for answer in await self._answers(batch)])
        outcomes = []
        for (name, _), (source, photo, error) in zip(some, prepared, strict=True):
            answer = next(answers) if photo else error
            if isinstance(answer, Prediction):
                outcomes.append(Outcome(name, source, answer))
            else:
                outcomes.append(Outcome(name, source, None, str(answer)))
        return outcomes

    def _attempt(self, name: str, photo: PhotoLike) -> tuple[PhotoLike, Photo | None, UserError | None]:
        """(the photo, or the bytes behind an address; what to send; why there is nothing to send)."""
        try:
            source = load(photo, name) if is_address(photo) else photo
            return source, self._prepare([source], [name])[0], None
        except UserError as error:
            return photo, None, error

    async def _answers(self, batch: list[Photo]) -> list[Prediction | PhotosError]:
        """A prediction or a refusal a photo; one bad photo has the server refuse its whole batch, so each is asked about alone."""
        try:
            return list(await self._predict(batch))
        except PhotosError as error:
            if len(batch) == 1:
                return [error]
            alone = [answer for photo in batch for answer in await self._answers([photo])]
            if all(isinstance(answer, PhotosError) for answer in alone):
                raise
            return alone


def predict_each(photos: Iterable[tuple[str, PhotoLike]], **settings: Any) -> Generator[Outcome, None, None]:
    """`AsyncClient(**settings).each(photos)` for where no event loop runs."""

    async def opened() -> AsyncClient:
        return AsyncClient(**settings)

    async def following() -> Outcome | None:
        return await anext(outcomes, None)

    with asyncio.Runner() as runner:
        client = runner.run(opened())
        outcomes = client.each(photos)
        try:
            while outcome := runner.run(following()):
                yield outcome
        finally:
            runner.run(outcomes.aclose())
            runner.run(client.close())


async def _cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
