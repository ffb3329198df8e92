"""TLS and mTLS from PEM files, checked before a port opens."""

import ssl
from pathlib import Path

import grpc

from components.common.errors import UserError


def server_credentials(cert: str, key: str, client_ca: str) -> grpc.ServerCredentials | None:
    """gRPC's credentials, or None where no certificate is given; with `client_ca` clients must show a certificate of it.

    Raises:
        UserError: one file without the other, files that are no certificate and its key, or a key that is encrypted.
    """
    if not (cert or key or client_ca):
        return None
    if not (cert and key):
        raise UserError("expected --tls-cert and --tls-key together, received one of them or --tls-client-ca alone")

    def refuse() -> str:
        raise UserError(f"{key}: expected a key without a pass phrase, this one is encrypted; decrypt it with `openssl pkey`")

    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key, refuse)
        if client_ca:
            context.load_verify_locations(client_ca)
    except (OSError, ssl.SSLError) as error:
        shown = ", ".join(filter(None, (cert, key, client_ca)))
        raise UserError(f"{shown}: expected PEM files of a certificate, its key and an authority: {error}") from None
    authority = Path(client_ca).read_bytes() if client_ca else None
    pair = (Path(key).read_bytes(), Path(cert).read_bytes())
    return grpc.ssl_server_credentials([pair], root_certificates=authority, require_client_auth=bool(client_ca))
