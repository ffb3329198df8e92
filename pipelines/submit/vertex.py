"""Vertex AI Pipelines, by its REST API (v1: pipelineJobs, schedules) as Google's login on this machine.

It takes the graph alone; what a compiled pipeline asks of Kubernetes means nothing there.
"""

import os
import re
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import google.auth
import google.auth.exceptions
import requests
from google.auth.transport.requests import AuthorizedSession
from google.oauth2.credentials import Credentials

from components.common.errors import UserError
from pipelines.submit.status import (
    CANCELED,
    FAILED,
    PENDING,
    RUNNING,
    SKIPPED,
    SUCCEEDED,
    Order,
    Sent,
    Status,
    Step,
    UnreachableError,
)
from pipelines.submit.tokens import read_token

ENDPOINT = "CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM"
"""Another address of the API, by gcloud's name for it."""
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
TIMEOUT_S = 60.0
STATES = {"SUCCEEDED": SUCCEEDED, "FAILED": FAILED, "SKIPPED": SKIPPED, "NOT_TRIGGERED": SKIPPED, "CANCELLED": CANCELED}
KUBERNETES_GPU = "nvidia.com/gpu"


class Vertex:
    """Vertex AI in a project and a region.

    Args:
        project: its id.
        region: such as europe-west4.
        token_file: holds an access token; None takes the login of `gcloud auth application-default login`, or of the machine.

    Raises:
        UserError: nobody is logged in.
    """

    def __init__(self, project: str, region: str, token_file: Path | None = None):
        self._login = f"write a new token into {token_file}" if token_file else "run `gcloud auth application-default login`"
        token = read_token(token_file) if token_file else ""
        try:
            credentials = Credentials(token) if token else google.auth.default(scopes=[SCOPE])[0]  # type: ignore[no-untyped-call]
        except google.auth.exceptions.GoogleAuthError as error:
            raise UserError(f"Vertex: expected a login; {self._login}: {error}") from error
        self._session = AuthorizedSession(credentials)  # type: ignore[no-untyped-call]
        self._project, self._region = project, region
        endpoint = os.environ.get(ENDPOINT, f"https://{region}-aiplatform.googleapis.com/").rstrip("/")
        self._parent = f"projects/{project}/locations/{region}"
        self._base = f"{endpoint}/v1/{self._parent}"

    def run(self, order: Order) -> Sent:
        """Starts a run; its id is its name, as Vertex takes it, and the time."""
        job_id = f"{_slug(order.name)}-{time.strftime('%Y%m%d%H%M%S', time.gmtime())}"
        self._call("POST", "pipelineJobs", json=_job(order), params={"pipelineJobId": job_id})
        return Sent(job_id, self._page("runs", job_id))

    def schedule(self, order: Order, cron: str) -> Sent:
        """Makes a schedule of one run at a time; one that is due while another is under way waits for it."""
        seconds, *fields = cron.split()
        if seconds != "0":
            raise UserError(f"--cron: expected five fields, as Vertex knows no seconds, received {cron!r}")
        made = self._call(
            "POST",
            "schedules",
            json={
                "displayName": order.name,
                "cron": " ".join(fields),
                "maxConcurrentRunCount": "1",
                "allowQueueing": True,
                "createPipelineJobRequest": {"parent": self._parent, "pipelineJob": _job(order)},
            },
        )
        schedule_id = str(made["name"]).rpartition("/")[2]
        return Sent(schedule_id, self._page("schedules", schedule_id))

    def status(self, run_id: str) -> Status:
        """How the run stands, with all that Vertex knows as its tasks."""
        job = self._call("GET", f"pipelineJobs/{run_id}")
        steps = [_step(task) for task in job.get("jobDetail", {}).get("taskDetails", []) if "taskName" in task]
        return Status(_state(job.get("state", "")), tuple(steps), job.get("error", {}).get("message", ""))

    def _page(self, kind: str, name: str) -> str:
        return (
            f"https://console.cloud.google.com/vertex-ai/locations/{self._region}/pipelines/{kind}/{name}?project={self._project}"
        )

    def _call(self, verb: str, path: str, **options: Any) -> Any:
        try:
            answer = self._session.request(verb, f"{self._base}/{path}", timeout=TIMEOUT_S, **options)  # type: ignore[no-untyped-call]
        except google.auth.exceptions.RefreshError as error:
            raise UserError(f"Vertex: the login has run out; {self._login}: {error}") from error
        except (requests.RequestException, google.auth.exceptions.TransportError) as error:
            raise UnreachableError(f"Vertex in {self._region} cannot be reached: {error}") from error
        if answer.ok:
            return self._resource(answer)
        said = f"{answer.status_code} {_message(answer)}"
        if answer.status_code >= 500 or answer.status_code in (408, 429):
            raise UnreachableError(f"Vertex in {self._region}: {said}")
        raise UserError(f"Vertex in project {self._project}, {self._region}, refused: {said}")

    def _resource(self, answer: requests.Response) -> dict[str, Any]:
        try:
            resource = answer.json()
        except requests.JSONDecodeError:
            resource = None
        if not isinstance(resource, dict) or "name" not in resource:
            kind = answer.headers.get("Content-Type", "no type")
            raise UserError(f"{answer.url.partition('?')[0]}: expected an answer of Vertex, received another one ({kind})")
        return resource


def _job(order: Order) -> dict[str, Any]:
    graph = order.graph
    for name, executor in graph.get("deploymentSpec", {}).get("executors", {}).items():
        kind = executor.get("container", {}).get("resources", {}).get("accelerator", {}).get("type", "")
        if kind == KUBERNETES_GPU:
            raise UserError(f"{name} asks for a {kind}, which Vertex does not know; compile with --gpu-type NVIDIA_L4 or the like")
    if not order.pipeline_root.startswith("gs://"):
        raise UserError(
            f"--pipeline-root: expected gs://bucket/folder, where Vertex puts artifacts, received {order.pipeline_root!r}"
        )
    job: dict[str, Any] = {
        "displayName": order.name,
        "pipelineSpec": graph,
        "runtimeConfig": {"gcsOutputDirectory": order.pipeline_root, "parameterValues": order.parameters},
    }
    if order.service_account:
        job["serviceAccount"] = order.service_account
    return job


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:100].lstrip("-0123456789") or "run"


def _step(task: dict[str, Any]) -> Step:
    return Step(
        str(task.get("taskId", task["taskName"])),
        task["taskName"],
        _state(task.get("state", "")),
        _time(task.get("startTime") or task.get("createTime")),
        _time(task.get("endTime")),
        task.get("error", {}).get("message", ""),
    )


def _state(state: str) -> str:
    short = state.removeprefix("PIPELINE_STATE_")
    return STATES.get(short, PENDING if short in ("", "UNSPECIFIED", "STATE_UNSPECIFIED", "PENDING", "QUEUED") else RUNNING)


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _message(answer: requests.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:300]
