"""The kfp faces of monitor: the check, and an alarm for a run that should fail where something has drifted."""

from kfp import dsl


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def monitor(
    drift: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
    page: dsl.Output[dsl.HTML],
    logs: str,
    model: str,
    records: list,  # type: ignore[type-arg]
    monitor_settings: dict,  # type: ignore[type-arg]
) -> bool:
    """Recent requests against the training data -> a page, and whether something has drifted."""
    import shutil
    from pathlib import Path

    from components.common.errors import one_line_errors
    from components.monitor.step import run
    from components.monitor.verdict import Demands

    folder = Path(drift.path)
    with one_line_errors():
        found = run(logs, model, records, folder, demands=Demands.of(monitor_settings))
    drift.metadata.update(verdict=found["verdict"], reasons=" ".join(found["reasons"]))
    metrics.log_metric("photos", found["photos"])
    for test in found["tests"]:
        metrics.log_metric(test["name"], test["effect"])
    # kfp.local wants a file behind each artifact
    for file, artifact in (("drift.json", metrics), ("drift.html", page)):
        shutil.copyfile(folder / file, artifact.path)
    return found["drift"] is True


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def raise_alarm(drift: dsl.Input[dsl.Artifact]) -> None:
    """Fails with what has drifted, so that whoever watches the runs is told."""
    import json
    from pathlib import Path

    from components.common.errors import UserError, one_line_errors

    found = json.loads((Path(drift.path) / "drift.json").read_text("utf-8"))
    with one_line_errors():
        raise UserError(f"{found['model']}: {' '.join(found['reasons'])}")
