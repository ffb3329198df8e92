"""Kubeflow Pipelines, by its v2beta1 API: at an address, or wherever the kube-config's cluster has it."""

import functools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import kfp_server_api as api
import kubernetes  # type: ignore[import-untyped]
import urllib3
from kfp_server_api.exceptions import ApiException

from components.common.errors import UserError
from pipelines.submit.status import ENDED, PENDING, RUNNING, Order, Sent, Status, Step, UnreachableError

P = ParamSpec("P")
T = TypeVar("T")
TIMEOUT_S = 60.0
CLUSTER_PATH = "api/v1/namespaces/{}/services/ml-pipeline:http/proxy"
"""Kubernetes's own way to the service, with the kube-config's login."""
POD_ADDRESS = "http://ml-pipeline.{}.svc:8888"
POD_TOKEN = Path("/var/run/secrets/kubeflow/pipelines/token")
OWN_NODES = re.compile(r"root|executor|.*-driver|iteration-.*|for-loop-.*|condition-.*")
"""What Kubeflow adds to a graph, for its own ends."""
ADVICE = {
    401: "; put a valid token into KFP_TOKEN",
    403: "; the token's account may not run pipelines there: it needs the role kubeflow-edit in the --namespace",
    404: "; is this the address of Kubeflow Pipelines?",
}


def _answered(method: Callable[P, T]) -> Callable[P, T]:
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
            raise UnreachableError(f"{where}: expected a Kubeflow Pipelines endpoint, could not reach one: {error}") from error
        except ValueError as error:
            raise UserError(f"{where}: expected a Kubeflow Pipelines endpoint, received another answer: {error}") from error

    return call


class Kubeflow:
    """A Kubeflow Pipelines server.

    Args:
        host: its address, `https://…`; "" asks the cluster of the kube-config, or the one this process is in, by its own login.
        namespace: of the user, where Kubeflow has several; "" where it has one.
        token: the bearer token; "" none.
        context: of the kube-config, where `host` is "".
        system_namespace: where Kubeflow Pipelines itself is, where `host` is "".
        experiment: runs are gathered under it.

    Raises:
        UserError: there is no cluster to ask, or the server refuses.
        UnreachableError: nothing answers.
    """

    def __init__(
        self,
        host: str,
        *,
        namespace: str = "",
        token: str = "",
        context: str = "",
        system_namespace: str = "kubeflow",
        experiment: str = "marque",
    ):
        self.where = host or f"the cluster of {context or 'the kube-config'}"
        self._pages = host.rstrip("/") or "http://localhost:8080"
        self._namespace, self._experiment = namespace, experiment
        configuration = _at_address(host, token) if host else _of_cluster(context, system_namespace)
        configuration.retries = urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=(502, 503, 504), raise_on_status=False)
        self._client = api.ApiClient(configuration)
        self._check_namespace()

    @_answered
    def run(self, order: Order) -> Sent:
        """Starts a run, by its name under the experiment."""
        made = api.RunServiceApi(self._client).run_service_create_run(
            run=api.V2beta1Run(experiment_id=self._experiment_id(), display_name=order.name, **_body(order)),
            _request_timeout=TIMEOUT_S,
        )
        return Sent(made.run_id, f"{self._pages}/#/runs/details/{made.run_id}")

    @_answered
    def schedule(self, order: Order, cron: str) -> Sent:
        """Makes a recurring run, one at a time; those that were missed are left out."""
        made = api.RecurringRunServiceApi(self._client).recurring_run_service_create_recurring_run(
            recurring_run=api.V2beta1RecurringRun(
                experiment_id=self._experiment_id(),
                display_name=order.name,
                trigger=api.V2beta1Trigger(cron_schedule=api.V2beta1CronSchedule(cron=cron)),
                mode=api.RecurringRunMode.ENABLE,
                max_concurrency="1",
                no_catchup=True,
                **_body(order),
            ),
            _request_timeout=TIMEOUT_S,
        )
        return Sent(made.recurring_run_id, f"{self._pages}/#/recurringrun/details/{made.recurring_run_id}")

    @_answered
    def status(self, run_id: str) -> Status:
        """How the run stands. Steps are those of the graph, without what Kubeflow adds to it."""
        run = api.RunServiceApi(self._client).run_service_get_run(run_id, _request_timeout=TIMEOUT_S)
        tasks = (run.run_details.task_details if run.run_details else None) or []
        steps = [_step(task) for task in tasks if not OWN_NODES.fullmatch(task.display_name or "root")]
        return Status(_state(run.state), tuple(steps), _problem(run.error))

    @_answered
    def _check_namespace(self) -> None:
        health = api.HealthzServiceApi(self._client).healthz_service_get_healthz(_request_timeout=TIMEOUT_S)
        if health.multi_user and not self._namespace:
            raise UserError(f"{self.where}: this Kubeflow has several users: expected --namespace, yours")

    def _experiment_id(self) -> str:
        service = api.ExperimentServiceApi(self._client)
        equal = {"operation": "EQUALS", "key": "display_name", "stringValue": self._experiment}
        where = {"namespace": self._namespace} if self._namespace else {}
        found = service.experiment_service_list_experiments(
            filter=json.dumps({"predicates": [equal]}), **where, _request_timeout=TIMEOUT_S
        ).experiments
        if found:
            return str(found[0].experiment_id)
        made = service.experiment_service_create_experiment(
            experiment=api.V2beta1Experiment(display_name=self._experiment, **where), _request_timeout=TIMEOUT_S
        )
        return str(made.experiment_id)


def _at_address(host: str, token: str) -> Any:
    configuration = api.Configuration(host=host.rstrip("/"))
    if token:
        configuration.api_key["authorization"] = token
        configuration.api_key_prefix["authorization"] = "Bearer"
    return configuration


def _of_cluster(context: str, namespace: str) -> Any:
    if not context and POD_TOKEN.is_file():
        return _at_address(POD_ADDRESS.format(namespace), POD_TOKEN.read_text().strip())
    configuration = api.Configuration()
    try:
        kubernetes.config.load_kube_config(context=context or None, client_configuration=configuration)
    except (kubernetes.config.ConfigException, TypeError) as error:
        raise UserError(f"expected --host, or a kube-config of a cluster that has Kubeflow Pipelines: {error}") from error
    address, renew = f"{configuration.host}/{CLUSTER_PATH.format(namespace)}", configuration.refresh_api_key_hook

    def renewed(each: Any) -> None:
        if renew:
            renew(each)  # which sets the host and the hook as well
        each.host, each.refresh_api_key_hook = address, renewed

    configuration.host, configuration.refresh_api_key_hook = address, renewed
    return configuration


def _body(order: Order) -> dict[str, Any]:
    graph, *platform = order.documents
    graph = graph if order.reuse else _without_reuse(graph)
    return {
        "pipeline_spec": {"pipeline_spec": graph, "platform_spec": platform[0]} if platform else {"pipeline_spec": graph},
        "runtime_config": api.V2beta1RuntimeConfig(parameters=order.parameters, pipeline_root=order.pipeline_root or None),
        "service_account": order.service_account or None,
    }


def _without_reuse(graph: Any) -> Any:
    """The graph with caching off for every task, in the graphs inside it too."""
    if isinstance(graph, list):
        return [_without_reuse(each) for each in graph]
    if not isinstance(graph, dict):
        return graph
    return {name: {} if name == "cachingOptions" else _without_reuse(value) for name, value in graph.items()}


def _step(task: Any) -> Step:
    state = _state(task.state)
    ended = task.end_time if state in ENDED else None
    return Step(
        task.task_id or task.display_name,
        task.display_name,
        state,
        task.start_time or task.create_time,
        ended,
        _problem(task.error),
    )


def _state(state: str | None) -> str:
    if state in ENDED:
        return state
    return PENDING if state in (None, "", "RUNTIME_STATE_UNSPECIFIED", PENDING) else RUNNING


def _problem(error: Any) -> str:
    return str(error.message or "") if error else ""


def _message(body: Any) -> str:
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body or "")
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text[:300]
