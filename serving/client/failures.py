"""Why a call failed, and what to do, in one line without secrets."""

import grpc

from components.common.errors import UserError
from serving.client.connection import PREDICT, RELOAD, Connection
from serving.client.wire import Model

Code = grpc.StatusCode
# What TF Serving says with UNAVAILABLE, and the embedded server with RESOURCE_EXHAUSTED.
FULL = "scheduling queue"


class CallError(UserError):
    """A call that the server did not answer, or refused; `code` is gRPC's."""

    def __init__(self, message: str, code: grpc.StatusCode):
        super().__init__(message)
        self.code = code


class PhotosError(CallError):
    """A call that the server refused because of the photos in it, or of one of them."""


def call_error(error: grpc.RpcError, method: str, connection: Connection, model: Model, deadline_s: float) -> CallError:
    """The failure of one call of `method`, for the user."""
    details = error.details() or ""
    if connection.token:
        # A server may repeat what it was sent.
        details = details.replace(connection.token, "...")
    reason = _explain(error.code(), details, method, model, deadline_s)
    about_photos = method == PREDICT and error.code() is Code.INVALID_ARGUMENT and not _about_label(model, details)
    return (PhotosError if about_photos else CallError)(f"{connection.server}: {reason}", error.code())


def _about_label(model: Model, details: str) -> bool:
    return bool(model.label) and "label" in details


def _explain(code: grpc.StatusCode, details: str, method: str, model: Model, deadline_s: float) -> str:
    match code:
        case Code.RESOURCE_EXHAUSTED if "larger than max" in details:
            return f"the request is too large for the server ({details}); send smaller photos or raise the server's limit"
        case _ if code is Code.RESOURCE_EXHAUSTED or FULL in details:
            return f"the server has more to do than it can ({details}); send less at once or try later"
        case Code.UNAVAILABLE | Code.CANCELLED if any(word in details.lower() for word in ("ssl", "tls", "certificate")):
            return f"the TLS connection fails: {details}; look at --tls-ca, --tls-cert and --tls-key"
        case Code.UNAVAILABLE | Code.CANCELLED:
            return "no server answers there; start one with `python -m serving serve` or give its address with --server"
        case Code.DEADLINE_EXCEEDED:
            return f"no answer within {deadline_s:g} s; raise --deadline, send fewer photos or look at the server"
        case Code.UNAUTHENTICATED | Code.PERMISSION_DENIED:
            return f"expected a token that the server accepts ({details}); give it with --token-file"
        case Code.UNIMPLEMENTED | Code.UNKNOWN | Code.INTERNAL:
            return f"expected a server that speaks TF Serving's API, received {code.name}: {details}"
        case _ if method == RELOAD:
            return f"the server refused the config: {details}"
        case Code.NOT_FOUND if model.version is not None:
            which = f"version {model.version} of a model named {model.name!r}"
            return f"expected {which}, which is not served there ({details}); choose with --version and --model"
        case Code.NOT_FOUND:
            return f"expected a model named {model.name!r}, which is not served there ({details}); choose with --model"
        case Code.INVALID_ARGUMENT if _about_label(model, details):
            return f"expected a label of model {model.name!r}, received {model.label!r} ({details}); choose with --label"
        case Code.INVALID_ARGUMENT:
            return f"the server refused the photos: {details}"
        case _:
            return f"the server failed with {code.name}: {details}"
