"""A run elsewhere: where it is, how it stands and how its steps do, in the same words whoever runs it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

PENDING, RUNNING, SUCCEEDED, FAILED, SKIPPED, CANCELED = "PENDING", "RUNNING", "SUCCEEDED", "FAILED", "SKIPPED", "CANCELED"
ENDED = (SUCCEEDED, FAILED, SKIPPED, CANCELED)


@dataclass(frozen=True)
class Step:
    """A step of a run; `key` tells apart steps of one name that run side by side."""

    key: str
    name: str
    state: str
    began: datetime | None = None
    ended: datetime | None = None
    problem: str = ""


@dataclass(frozen=True)
class Status:
    """How a run stands; `problem` is what the runner says of its end."""

    state: str
    steps: Sequence[Step] = field(default_factory=tuple)
    problem: str = ""


@dataclass(frozen=True)
class Sent:
    """A run or a schedule that was made: its id, and its address in a browser."""

    id: str
    address: str


@dataclass(frozen=True)
class Order:
    """What is to be run: documents of the compiled YAML, the name that people see, parameters, and where artifacts go.

    Without `reuse` every step runs, whatever was run before; `service_account` and `pipeline_root` "" leave them to the runner.
    """

    documents: Sequence[dict[str, Any]]
    name: str
    parameters: dict[str, Any]
    service_account: str = ""
    pipeline_root: str = ""
    reuse: bool = True

    @property
    def graph(self) -> dict[str, Any]:
        """The first document; without `reuse` with caching off for every task, in the graphs inside it too."""
        return self.documents[0] if self.reuse else _without_reuse(self.documents[0])

    @property
    def steps(self) -> set[str]:
        """The names of the tasks that run a container; a runner tells of others too, such as loops and its own drivers."""
        components = self.documents[0]["components"]
        dags = [part["dag"] for part in (self.documents[0]["root"], *components.values()) if "dag" in part]
        tasks = [named for dag in dags for named in dag["tasks"].items()]
        return {name for name, task in tasks if "executorLabel" in components[task["componentRef"]["name"]]}


class UnreachableError(Exception):
    """The runner did not answer, or is out of order: what it runs may well go on. Its text is the reason."""


class Runner(Protocol):
    """Whoever runs pipelines. All raise `UserError` where it refuses, `UnreachableError` where it does not answer."""

    def run(self, order: Order) -> Sent: ...

    def schedule(self, order: Order, cron: str) -> Sent: ...

    def status(self, run_id: str) -> Status: ...


def _without_reuse(graph: Any) -> Any:
    if isinstance(graph, list):
        return [_without_reuse(each) for each in graph]
    if not isinstance(graph, dict):
        return graph
    return {name: {} if name == "cachingOptions" else _without_reuse(value) for name, value in graph.items()}
