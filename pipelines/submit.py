"""Sends a compiled pipeline to a Kubeflow Pipelines endpoint."""

import warnings
from pathlib import Path
from typing import Any

import kfp
import urllib3
from kfp_server_api.exceptions import ApiException

from components.common.errors import UserError


def submit(pipeline: Path, parameters: dict[str, Any], endpoint: str, experiment: str, token: str | None) -> str:
    """Starts a run and returns its address in the endpoint's web pages.

    Raises:
        UserError: nothing answers at `endpoint`, or it refuses.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            client = kfp.Client(host=endpoint, existing_token=token, verify_ssl=True)
            run = client.create_run_from_pipeline_package(str(pipeline), arguments=parameters, experiment_name=experiment)
    except ApiException as error:
        raise UserError(
            f"{endpoint}: Kubeflow Pipelines refused the run: {error.status} {error.reason} {error.body or ''}"
        ) from error
    except (urllib3.exceptions.HTTPError, OSError, RuntimeError) as error:
        raise UserError(f"{endpoint}: expected a Kubeflow Pipelines endpoint, could not reach one: {error}") from error
    return f"{endpoint.rstrip('/')}/#/runs/details/{run.run_id}"
