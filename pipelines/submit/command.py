"""`python -m pipelines submit`: sends a compiled pipeline to Kubeflow Pipelines or Vertex AI, and follows it."""

import os
import sys
import time
from collections.abc import Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from components.common.errors import UserError, one_line_errors
from pipelines.submit.status import FAILED, SUCCEEDED, Order, Runner, Status, Step, UnreachableError


@click.command()
@click.option("--pipeline", type=click.Path(path_type=Path), default=Path("build/pipelines/training.yaml"), show_default=True,
              help="Compiled YAML.")  # fmt: skip
@click.option(
    "--source", default="", help="Labelled photos that the cluster can reach: gs://…, https://…, or a folder of a volume."
)
@click.option("--repository", default="", help="Model repository: gs://bucket/path, or a folder of a volume.")
@click.option("--preset", "preset_name", default="", help="Named settings, as in `run`.")
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="A pipeline parameter or training setting, as in `run`."
)
@click.option("--parameters", type=click.Path(path_type=Path), help="Pipeline parameters as a YAML or JSON file.")
@click.option("-p", "--param", "pairs", multiple=True, metavar="NAME=VALUE",
              help="A pipeline parameter by its own name, over the file's; a dict as JSON. Repeatable.")  # fmt: skip
@click.option("--host", "--endpoint", default="",
              help="Address of Kubeflow Pipelines, or KFP_HOST; by default the kube-config's cluster, by its login.")  # fmt: skip
@click.option("--namespace", default="", help="Yours, where Kubeflow has several users.")
@click.option("--kube-context", default="", help="Of the kube-config, instead of --host and KFP_HOST.")
@click.option("--token-file", type=click.Path(path_type=Path), help="Holds the bearer token; or KFP_TOKEN does, for Kubeflow.")
@click.option("--experiment", default="marque", show_default=True, help="Runs are gathered under it.")
@click.option("--run-name", default="", help="What people see; by default the pipeline's name and the time.")
@click.option("--service-account", default="", help="The pods' account, e.g. marque-pipeline.")
@click.option("--pipeline-root", default="", help="Where artifacts go, gs://bucket/folder; by default where Kubeflow is set to.")
@click.option("--no-reuse", is_flag=True, help="Run every step, whatever was run before.")
@click.option("--cron", default="", help="Run again and again: 'minute hour day month weekday', e.g. '0 3 * * 1'.")
@click.option("--wait", is_flag=True, help="Follow the run to its end; exit status 1 where it fails.")
@click.option("--vertex", is_flag=True, help="Send it to Vertex AI, as Google's login on this machine.")
@click.option("--project", default="", help="Vertex: the project's id.")
@click.option("--region", default="", help="Vertex: such as europe-west4.")
def submit(
    pipeline: Path,
    source: str,
    repository: str,
    preset_name: str,
    settings: tuple[str, ...],
    parameters: Path | None,
    pairs: tuple[str, ...],
    host: str,
    namespace: str,
    kube_context: str,
    token_file: Path | None,
    experiment: str,
    run_name: str,
    service_account: str,
    pipeline_root: str,
    no_reuse: bool,
    cron: str,
    wait: bool,
    vertex: bool,
    project: str,
    region: str,
) -> None:
    """Send a compiled pipeline to a cluster; --wait follows it to its end."""
    from pipelines.submit import values

    with one_line_errors():
        cron = _cron(cron)
        if cron and wait:
            raise UserError("--wait follows one run, --cron makes many: expected one of them")
        if host and kube_context:
            raise UserError("--host and --kube-context name two places: expected one of them")
        beside = {"--host": host, "--namespace": namespace, "--kube-context": kube_context} if vertex else {
            "--project": project, "--region": region}  # fmt: skip
        if strange := ", ".join(flag for flag, value in beside.items() if value):
            raise UserError(f"{strange}: expected {'without' if vertex else 'with'} --vertex")
        if not run_name.isprintable():
            raise UserError(f"--run-name: expected one line of text, received {run_name!r}")
        if pipeline_root and "://" not in pipeline_root:
            raise UserError(f"--pipeline-root: expected gs://bucket/folder or the like, received {pipeline_root!r}")
        host = host or ("" if kube_context else os.environ.get("KFP_HOST", ""))
        documents = values.read_documents(pipeline)
        given = _given(pipeline, source, repository, preset_name, settings, parameters, pairs)
        values.check(given, documents)
        name = run_name or f"{documents[0]['pipelineInfo']['name']} {time.strftime('%Y-%m-%d %H:%M')}"
        order = Order(documents, name, given, service_account, pipeline_root, reuse=not no_reuse)
        try:
            runner = (
                _vertex(project, region, token_file) if vertex else _kubeflow(host, namespace, token_file, kube_context, experiment)
            )
            sent = runner.schedule(order, cron) if cron else runner.run(order)
        except UnreachableError as error:
            raise UserError(str(error)) from error
        console = Console(soft_wrap=True, highlight=False)
        console.print(f"{'scheduled' if cron else 'started'} {name}\n{sent.address}", markup=False)
        if wait:
            _follow(runner, sent.id, order.steps, console)


def _given(
    pipeline: Path, source: str, repository: str, preset_name: str, settings: Sequence[str], file: Path | None, pairs: Sequence[str]
) -> dict[str, Any]:
    """All parameters: what training takes by name or preset, over it the file's, over it those of -p."""
    from pipelines.parameters import collect, read_types
    from pipelines.submit import values

    types = read_types(pipeline)
    own = {**(values.read_file(file, types) if file else {}), **values.parse_pairs(pairs, types)}
    places = {name: place for name, place in (("source", source), ("repository", repository)) if place}
    if "train_settings" not in types:
        if preset_name or settings:
            raise UserError(f"--preset and --set are for pipelines that train; expected -p for {', '.join(sorted(types))}")
        return {**values.parse_pairs([f"{name}={place}" for name, place in places.items()], types), **own}
    places = {"source": own.get("source", ""), "repository": own.get("repository", ""), **places}
    if not places["source"] or not places["repository"]:
        missing = [f"--{name}" for name, place in places.items() if not place]
        raise UserError(f"expected {' and '.join(missing)}")
    values.check_settings(own)
    plain = [f"{name}={value}" for name, value in own.items() if not isinstance(value, dict)]
    return {**collect(places["source"], places["repository"], preset_name, [*settings, *plain], types), **own, **places}


def _kubeflow(host: str, namespace: str, token_file: Path | None, context: str, experiment: str) -> Runner:
    from pipelines.submit.kubeflow import Kubeflow

    return Kubeflow(host, namespace=namespace, token_file=token_file, context=context, experiment=experiment)


def _vertex(project: str, region: str, token_file: Path | None) -> Runner:
    from pipelines.submit.vertex import Vertex

    if not project or not region:
        raise UserError("--vertex: expected --project and --region")
    return Vertex(project, region, token_file)


def _follow(runner: Runner, run_id: str, steps: Set[str], console: Console) -> None:
    from pipelines.submit.watch import watch

    def shown(step: Step) -> bool:
        return step.name in steps or (step.state == FAILED and step.name.removesuffix("-driver") in steps)

    def status() -> Status:
        now = runner.status(run_id)
        return replace(now, steps=[step for step in now.steps if shown(step)])

    try:
        ended = watch(status, console)
    except KeyboardInterrupt:
        console.print("no longer followed; the run goes on")
        sys.exit(130)
    if ended.state != SUCCEEDED:
        names = ", ".join(dict.fromkeys(step.name for step in ended.steps if step.state == ended.state))
        raise UserError(": ".join(part for part in (f"the run ended {ended.state.lower()}", names, ended.problem) if part))
    console.print("the run succeeded")


def _cron(text: str) -> str:
    """Six fields, the first for seconds, as Kubeflow takes them."""
    fields = text.split()
    if text and (len(fields) not in (5, 6) or "=" in text):
        raise UserError(f"--cron: expected 'minute hour day month weekday', received {text!r}")
    return " ".join(fields if len(fields) != 5 else ["0", *fields])
