"""Kubeflow Pipelines, by its v2beta1 API: at an address, or wherever the kube-config's cluster has it."""

import json
from pathlib import Path
from typing import Any

import kfp_server_api as api
import urllib3

from components.common.errors import UserError
from pipelines.submit.connection import Client, answered, at_address, of_cluster
from pipelines.submit.status import ENDED, PENDING, RUNNING, Order, Sent, Status, Step

TIMEOUT_S = 30
"""Whole: of a float the generated client takes no notice, and waits for ever."""


class Kubeflow:
    """A Kubeflow Pipelines server.

    Args:
        host: its address, `https://…`; "" asks the cluster of the kube-config, or the one this process is in, by its own login.
        namespace: of the user, where Kubeflow has several; "" where it has one.
        token_file: holds the bearer token, and is read anew for each request; None takes KFP_TOKEN's, if any.
        context: of the kube-config, where `host` is "".
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
        token_file: Path | None = None,
        context: str = "",
        experiment: str = "marque",
    ):
        self.where = host or f"the cluster of {context or 'the kube-config'}"
        self._pages = host.rstrip("/") or "http://localhost:8080"
        self._namespace, self._experiment = namespace, experiment
        configuration = at_address(host, token_file) if host else of_cluster(context)
        configuration.retries = urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=(502, 503, 504), raise_on_status=False)
        self._client = Client(configuration)
        self._check_namespace()

    @answered
    def run(self, order: Order) -> Sent:
        """Starts a run, by its name under the experiment."""
        made = api.RunServiceApi(self._client).run_service_create_run(
            run=api.V2beta1Run(experiment_id=self._experiment_id(), display_name=order.name, **_body(order)),
            _request_timeout=TIMEOUT_S,
        )
        return self._sent(made.run_id, "runs")

    @answered
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
        return self._sent(made.recurring_run_id, "recurringrun")

    @answered
    def status(self, run_id: str) -> Status:
        """How the run stands, with all that Kubeflow knows as its tasks."""
        run = api.RunServiceApi(self._client).run_service_get_run(run_id, _request_timeout=TIMEOUT_S)
        tasks = (run.run_details.task_details if run.run_details else None) or []
        return Status(_state(run.state), tuple(_step(task) for task in tasks if task.display_name), _problem(run.error))

    @answered
    def _check_namespace(self) -> None:
        health = api.HealthzServiceApi(self._client).healthz_service_get_healthz(_request_timeout=TIMEOUT_S)
        if health.multi_user and not self._namespace:
            raise UserError(f"{self.where}: this Kubeflow has several users: expected --namespace, yours")

    def _sent(self, made: str | None, kind: str) -> Sent:
        if not made:
            raise UserError(f"{self.where}: expected an answer of Kubeflow Pipelines, received one without an id")
        return Sent(made, f"{self._pages}/#/{kind}/details/{made}")

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


def _body(order: Order) -> dict[str, Any]:
    names = ("pipeline_spec", "platform_spec")
    return {
        "pipeline_spec": dict(zip(names, (order.graph, *order.documents[1:]), strict=False)),
        "runtime_config": api.V2beta1RuntimeConfig(parameters=order.parameters, pipeline_root=order.pipeline_root or None),
        "service_account": order.service_account or None,
    }


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
