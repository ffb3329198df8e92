"""How a request is refused: one exception that carries a gRPC status code and TF Serving's message."""

import grpc

STATUS_CODES = {code.value[0]: code for code in grpc.StatusCode}


class RequestError(Exception):
    """A request that is refused: a gRPC status code and the message that goes with it."""

    def __init__(self, code: grpc.StatusCode, message: str):
        super().__init__(message)
        self.code = code


def invalid(message: str) -> RequestError:
    """An INVALID_ARGUMENT."""
    return RequestError(grpc.StatusCode.INVALID_ARGUMENT, message)
