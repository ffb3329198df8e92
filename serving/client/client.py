"""The synchronous client: works unchanged against the embedded server and TF Serving, and says in one line what went wrong.

One connection serves all calls, from any number of threads. Photos travel in as few requests as stay under `wire.REQUEST_BYTES`.
"""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import grpc

from serving.client import connection, wire
from serving.client.connection import MAX_RETRIES, Connection, Tls
from serving.client.failures import call_error
from serving.client.messages import tf_serving_pb2 as messages
from serving.client.photo import MAX_SIDE_PX, PhotoLike, name_of, prepare
from serving.client.wire import Model, Prediction, VersionStatus

__all__ = ["Client", "Prediction", "Tls", "VersionStatus"]


class Client:
    """Asks one model of one server. Use it in a `with` statement, or call `close`."""

    def __init__(
        self,
        server: str,
        model: str = "marque",
        *,
        version: int | None = None,
        label: str = "",
        deadline_s: float = 10.0,
        tls: Tls | None = None,
        token: str = "",
        max_side_px: int = MAX_SIDE_PX,
        retries: int = MAX_RETRIES,
    ):
        """`server` is `host:port`; `deadline_s` is for each request with all its retries. Nothing is sent yet.

        Args:
            version, label: which version is asked; neither: the latest. Not both.
            tls, token, retries: see `Connection`.
            max_side_px: a longer photo is sent smaller.

        Raises:
            UserError: an argument that cannot be.
        """
        self._model = Model(model, version, label)
        self._connection = Connection(server, tls, token, retries)
        self._deadline_s = deadline_s
        self._max_side_px = max_side_px
        credentials, options = self._connection.credentials, self._connection.options
        self._channel = grpc.secure_channel(server, credentials, options) if credentials else grpc.insecure_channel(server, options)

    def predict(self, photos: Sequence[PhotoLike], names: Sequence[str] = ()) -> list[Prediction]:
        """One prediction a photo, in their order; `names` are what errors call them.

        Raises:
            UserError: a photo is not an image (then nothing is sent); the server is not there, late, without the model, or
                refuses the request.
        """
        names = names or [name_of(photo, number) for number, photo in enumerate(photos, 1)]
        prepared = [prepare(photo, name, self._max_side_px) for photo, name in zip(photos, names, strict=True)]
        predictions = []
        for batch in wire.batches(prepared):
            request = self._model.predict_request([photo.jpeg for photo in batch])
            response = self._call(connection.PREDICT, request, messages.PredictResponse)
            predictions += self._model.read_predictions(response, batch)
        return predictions

    def status(self) -> list[VersionStatus]:
        """Every version of the model that the server knows.

        Raises:
            UserError: the server is not there, late, or without the model.
        """
        return wire.read_status(self._call(connection.STATUS, self._model.status_request(), messages.GetModelStatusResponse))

    def reload(self, config: messages.ModelServerConfig) -> None:
        """Has the server load what `config` says, and no more; returns when it has. Sent once, never again by itself.

        Raises:
            UserError: the server is not there, late, or refuses the config (then it goes on as before).
        """
        request = messages.ReloadConfigRequest(config=config)
        wire.check_reload(self._call(connection.RELOAD, request, messages.ReloadConfigResponse))

    def close(self) -> None:
        """Closes the connection."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _call(self, method: str, request: Any, response: type[Any]) -> Any:
        call = self._channel.unary_unary(method, type(request).SerializeToString, response.FromString)
        try:
            return call(request, timeout=self._deadline_s, metadata=self._connection.metadata)
        except grpc.RpcError as error:
            raise call_error(error, method, self._connection, self._model, self._deadline_s) from None
