"""The synchronous client: works unchanged against the embedded server and TF Serving, and says in one line what went wrong.

One connection serves all calls, from any number of threads. Photos travel in as few requests as stay under `wire.REQUEST_BYTES`.
"""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import grpc

from serving.client import wire
from serving.client.base import BaseClient
from serving.client.connection import PREDICT, RELOAD, STATUS, Tls
from serving.client.messages import tf_serving_pb2 as messages
from serving.client.photo import PhotoLike
from serving.client.wire import Prediction, VersionStatus

__all__ = ["Client", "Prediction", "Tls", "VersionStatus"]


class Client(BaseClient):
    """Asks one model of one server; settings as of `BaseClient`. Use it in a `with` statement, or call `close`."""

    def predict(self, photos: Sequence[PhotoLike], names: Sequence[str] = ()) -> list[Prediction]:
        """One prediction a photo, in their order; `names` are what errors call them.

        Raises:
            UserError: a photo is not an image (then nothing is sent); the server is not there, late, without the model, or
                refuses the request.
        """
        predictions = []
        for batch in wire.batches(self._prepare(photos, names)):
            response = self._call(PREDICT, self._asked.predict_request(batch), messages.PredictResponse)
            predictions += self._asked.read_predictions(response, batch)
        return predictions

    def status(self) -> list[VersionStatus]:
        """Every version of the model that the server knows.

        Raises:
            UserError: the server is not there, late, or without the model.
        """
        return wire.read_status(self._call(STATUS, self._asked.status_request(), messages.GetModelStatusResponse))

    def reload(self, config: messages.ModelServerConfig) -> None:
        """Has the server load what `config` says, and no more; returns when it has. Sent once, never again by itself.

        Raises:
            UserError: the server is not there, late, or refuses the config (then it goes on as before).
        """
        wire.check_reload(self._call(RELOAD, messages.ReloadConfigRequest(config=config), messages.ReloadConfigResponse))

    def close(self) -> None:
        """Closes the connection."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _open(self) -> grpc.Channel:
        credentials, options = self._connection.credentials, self._connection.options
        if credentials:
            return grpc.secure_channel(self.server, credentials, options)
        return grpc.insecure_channel(self.server, options)

    def _call(self, method: str, request: Any, response: type[Any]) -> Any:
        call = self._channel.unary_unary(method, type(request).SerializeToString, response.FromString)
        try:
            return call(request, timeout=self.deadline_s, metadata=self._connection.metadata)
        except grpc.RpcError as error:
            raise self._failure(error, method) from None
