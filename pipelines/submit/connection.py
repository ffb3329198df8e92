"""The way to Kubeflow Pipelines: its generated client, at an address or through a cluster's own login, and what its errors mean."""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from urllib.parse import urlsplit

import kfp_server_api as api
import kubernetes  # type: ignore[import-untyped]
import urllib3
import yaml
from kfp_server_api.exceptions import ApiException

from components.common.errors import UserError
from pipelines.submit.status import UnreachableError
from pipelines.submit.tokens import read_token

P = ParamSpec("P")
T = TypeVar("T")
CLUSTER_PATH = "api/v1/namespaces/kubeflow/services/ml-pipeline:http/proxy"
"""Kubernetes's own way to the service, with the kube-config's login."""
POD_ADDRESS = "http://ml-pipeline.kubeflow.svc:8888"
POD_TOKEN = Path("/var/run/secrets/kubeflow/pipelines/token")
ADVICE = {
    401: "; put a valid token into KFP_TOKEN or --token-file; without --host, log in to the cluster again",
    403: "; the token's account may not run pipelines there: it needs the role kubeflow-edit in the --namespace",
    404: "; is this the address of Kubeflow Pipelines?",
}


def answered(method: Callable[P, T]) -> Callable[P, T]:
    """Turns what the generated client raises into the errors that a `Runner` raises."""

    @functools.wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        where = getattr(args[0], "where", "")
        try:
            return method(*args, **kwargs)
        except ApiException as error:
            said = f"{error.status} {error.reason} {_message(error.body)}".strip()
            if 400 <= error.status < 500 and error.status not in (408, 429):
                raise UserError(f"{where}: Kubeflow Pipelines refused: {said}{ADVICE.get(error.status, '')}") from error
            raise UnreachableError(f"{where}: expected an answer of Kubeflow Pipelines, received {said}") from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise UnreachableError(
                f"{where}: expected a Kubeflow Pipelines endpoint, could not reach one: {_reason(error)}"
            ) from error
        except ValueError as error:  # whose text may hold the token
            raise UserError(
                f"{where}: expected a valid token and an answer of Kubeflow Pipelines: {type(error).__name__}"
            ) from error

    return call


class Client(api.ApiClient):
    """The generated client, which by itself takes any page, such as one that asks for a login, for an answer without fields."""

    def deserialize(self, response: Any, response_type: str) -> Any:
        try:
            whole = isinstance(json.loads(response.data), dict)
        except ValueError:
            whole = False
        if not whole:
            where, kind = self.configuration.host, response.getheader("Content-Type") or "no type"
            raise UserError(
                f"{where}: expected an answer of Kubeflow Pipelines, received another one ({kind}); where it asks for a login, "
                "put a token into KFP_TOKEN or --token-file"
            )
        return super().deserialize(response, response_type)


def at_address(host: str, token_file: Path | None) -> Any:
    """The client's configuration for `host`, with the token of `token_file` or KFP_TOKEN, read anew for each request.

    Raises:
        UserError: no address, or no token where a file is named.
    """
    configuration = api.Configuration(host=_checked(host).rstrip("/"))

    def renew(each: Any) -> None:
        if token := read_token(token_file):
            each.api_key["authorization"], each.api_key_prefix["authorization"] = token, "Bearer"

    renew(configuration)
    configuration.refresh_api_key_hook = renew
    return configuration


def _checked(address: str) -> str:
    if "@" in address:
        raise UserError("expected an address without a user and a password; a token goes into KFP_TOKEN or --token-file")
    try:
        parts = urlsplit(address)
        whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not parts.query and not parts.fragment
    except ValueError:
        whole = False
    if not whole or not address.isprintable() or " " in address:
        raise UserError(f"expected the address of Kubeflow Pipelines, such as https://kubeflow.example.org, received {address!r}")
    return address


def of_cluster(context: str) -> Any:
    """The client's configuration for the cluster of the kube-config, or the one whose pod this is, by its own login.

    Raises:
        UserError: there is no such cluster, or its kube-config is damaged.
    """
    if not context and POD_TOKEN.is_file():
        return at_address(POD_ADDRESS, POD_TOKEN)
    configuration = api.Configuration()
    try:
        kubernetes.config.load_kube_config(context=context or None, client_configuration=configuration)
    except (kubernetes.config.ConfigException, yaml.YAMLError, UnicodeDecodeError, TypeError) as error:
        raise UserError(f"expected --host, or a kube-config of a cluster that has Kubeflow Pipelines: {error}") from error
    address, renew = f"{_checked(configuration.host)}/{CLUSTER_PATH}", configuration.refresh_api_key_hook

    def renewed(each: Any) -> None:
        if renew:
            renew(each)  # which sets the host and the hook as well
        each.host, each.refresh_api_key_hook = address, renewed

    configuration.host, configuration.refresh_api_key_hook = address, renewed
    return configuration


def _reason(error: Exception) -> Exception:
    return getattr(error, "reason", None) or error


def _message(body: Any) -> str:
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body or "")
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text[:300]
