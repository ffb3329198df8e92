"""Servers that stand in for Kubeflow Pipelines and Vertex AI: real HTTP, the endpoints that submit uses, as strict as they are.

Kubeflow's follow its v2beta1 definition (the generated client's field names; the graph is parsed as its API server does); Vertex's
its REST reference.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import kfp_server_api as api
from click.testing import CliRunner, Result
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from pipelines.__main__ import main

RUNS, RECURRING = "/apis/v2beta1/runs", "/apis/v2beta1/recurringruns"
PLACES = ["--source=gs://cars/photos", "--repository=gs://cars/models"]
Answer = tuple[int, dict[str, Any] | str]


@dataclass
class Elsewhere:
    """What was asked, and what is answered: `states` are a run's, one a question, the last one for ever; `failures` are the next
    answers, those of `failures_later` once a run has started."""

    address: str = ""
    token: str = "secret"
    multi_user: bool = False
    states: list[Any] = field(default_factory=list)
    requests: list[tuple[str, str, dict[str, list[str]], dict[str, Any]]] = field(default_factory=list)
    experiments: list[dict[str, Any]] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)
    failures_later: list[int] = field(default_factory=list)

    def bodies(self, path: str) -> list[dict[str, Any]]:
        """What was posted there."""
        return [body for verb, where, _, body in self.requests if verb == "POST" and where == path]

    def next_state(self) -> Any:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]


def submit(pipeline: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["submit", f"--pipeline={pipeline}", *arguments])


@contextmanager
def serve(answer: Callable[[Elsewhere, str, str, dict[str, list[str]], dict[str, Any]], Answer]) -> Iterator[Elsewhere]:
    """An HTTP server on a free port whose every request goes to `answer(state, verb, path, query, body)`."""
    state = Elsewhere()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            query = parse_qs(parts.query)
            state.requests.append((self.command, parts.path, query, body))
            said: dict[str, Any] | str
            if state.failures:
                code, said = state.failures.pop(0), {"message": "on purpose"}
            elif self.headers.get("Authorization") != f"Bearer {state.token}" and state.token:
                code, said = 401, {"message": "no such user"}
            else:
                try:
                    code, said = answer(state, self.command, parts.path, query, body)
                except AssertionError as error:
                    code, said = 400, {"message": str(error)}
            content = (said if isinstance(said, str) else json.dumps(said)).encode()
            self.send_response(code)
            self.send_header("Content-Type", "text/html" if isinstance(said, str) else "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _handle  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        state.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()


def kubeflow(state: Elsewhere, verb: str, path: str, query: dict[str, list[str]], body: dict[str, Any]) -> Answer:
    """Kubeflow Pipelines' API server."""
    match verb, path.removeprefix("/apis/v2beta1/").split("/"):
        case "GET", ["healthz"]:
            return 200, {"multi_user": state.multi_user}
        case "GET", ["experiments"]:
            [predicate] = json.loads(query["filter"][0])["predicates"]
            assert predicate["operation"] == "EQUALS"
            namespace = query.get("namespace", [""])[0]
            found = [each for each in state.experiments
                     if (each["display_name"], each.get("namespace", "")) == (predicate["stringValue"], namespace)]  # fmt: skip
            return 200, {"experiments": found} if found else {}
        case "POST", ["experiments"]:
            _check_fields(body, api.V2beta1Experiment)
            made = {**body, "experiment_id": f"experiment-{len(state.experiments)}"}
            state.experiments.append(made)
            return 200, made
        case "POST", ["runs"]:
            _check_fields(body, api.V2beta1Run)
            problem = _graph_problem(body["pipeline_spec"])
            state.failures.extend(state.failures_later)
            return (400, {"message": problem}) if problem else (200, {**body, "run_id": "run-1", "state": "PENDING"})
        case "POST", ["recurringruns"]:
            _check_fields(body, api.V2beta1RecurringRun)
            if not re.fullmatch(r"(\S+ ){5}\S+", body["trigger"]["cron_schedule"]["cron"]):
                return 400, {"message": "expected six fields"}
            return 200, {**body, "recurring_run_id": "recurring-1"}
        case "GET", ["runs", "run-1"]:
            return 200, {"run_id": "run-1", **state.next_state()}
    return 404, {"message": f"{verb} {path}"}


def vertex(state: Elsewhere, verb: str, path: str, query: dict[str, list[str]], body: dict[str, Any]) -> Answer:
    """Vertex AI's regional endpoint."""
    parent = "projects/cars/locations/europe-west4"
    if not path.startswith(f"/v1/{parent}/"):
        return 403, {"error": {"message": f"no access to {path}"}}
    match verb, path.removeprefix(f"/v1/{parent}/").split("/"):
        case "POST", ["pipelineJobs"]:
            [job_id] = query["pipelineJobId"]
            assert re.fullmatch(r"[a-z][-a-z0-9]{0,127}", job_id)
            json_format.ParseDict(body["pipelineSpec"], pipeline_spec_pb2.PipelineSpec())
            return 200, {**body, "name": f"{parent}/pipelineJobs/{job_id}", "state": "PIPELINE_STATE_PENDING"}
        case "POST", ["schedules"]:
            assert body["createPipelineJobRequest"]["parent"] == parent
            return 200, {**body, "name": f"{parent}/schedules/77"}
        case "GET", ["pipelineJobs", _]:
            return 200, {"name": path.removeprefix("/v1/"), **state.next_state()}
    return 404, {"error": {"message": path}}


def _check_fields(body: dict[str, Any], kind: Any) -> None:
    unknown = body.keys() - kind.attribute_map.values()
    assert not unknown, f"{kind.__name__} has no {unknown}"


def _graph_problem(spec: dict[str, Any]) -> str:
    try:
        json_format.ParseDict(spec["pipeline_spec"], pipeline_spec_pb2.PipelineSpec())
        json_format.ParseDict(spec.get("platform_spec", {}), pipeline_spec_pb2.PlatformSpec())
    except (KeyError, json_format.ParseError) as error:
        return f"invalid pipeline spec: {error}"
    return ""
