"""The monitoring pipeline, for a recurring run: wiring only.

1. monitor      the server's request log and the training data -> a page, and whether something has drifted
2. raise_alarm  where something has, and `alarm` is true: fails the run, saying what

Nothing is taken from kfp's cache: the log grows under the same address.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from kfp import dsl

from components.monitor.component import monitor, raise_alarm
from pipelines.resources import Images, place


class Outputs(NamedTuple):
    """What a run leaves for its caller."""

    drift: dsl.Artifact
    drifted: bool


def monitoring_pipeline(images: Images) -> Callable[..., Any]:
    """The pipeline, ready to compile; `images`: of the steps, one of all, or one of each kind."""

    @dsl.pipeline(name="marque-monitoring", description="Recent requests against the training data: has something drifted?")
    def pipeline(
        logs: str,
        model: str,
        records: list = [],  # type: ignore[type-arg]  # noqa: B006 - kfp writes it into the YAML
        monitor_settings: dict = {},  # type: ignore[type-arg]  # noqa: B006
        alarm: bool = True,
    ) -> Outputs:
        checked = monitor(logs=logs, model=model, records=records, monitor_settings=monitor_settings)
        place(checked, "monitor", images)
        checked.set_caching_options(False)
        with dsl.If(alarm == True, name="alarm"), dsl.If(checked.outputs["Output"] == True, name="drifted"):  # noqa: E712
            raised = raise_alarm(drift=checked.outputs["drift"])
            place(raised, "raise_alarm", images)
            raised.set_caching_options(False)
        return Outputs(checked.outputs["drift"], checked.outputs["Output"])

    return pipeline
