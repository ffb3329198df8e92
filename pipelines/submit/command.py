"""`python -m pipelines submit`: sends a compiled pipeline to Kubeflow Pipelines or Vertex AI, and follows it."""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from components.common.errors import UserError, one_line_errors
from pipelines.submit.status import SUCCEEDED, Order, Runner, UnreachableError


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
@click.option("--host", "--endpoint", envvar="KFP_HOST", default="", show_envvar=True,
              help="Address of Kubeflow Pipelines; without it, the kube-config's cluster is asked by its own login.")  # fmt: skip
@click.option("--namespace", default="", help="Yours, where Kubeflow has several users.")
@click.option("--kube-context", default="", help="Of the kube-config, where there is no --host.")
@click.option("--token-file", type=click.Path(path_type=Path), help="Holds the bearer token; or KFP_TOKEN does.")
@click.option("--experiment", default="marque", show_default=True, help="Runs are gathered under it.")
@click.option("--run-name", default="", help="What people see; by default the pipeline's name and the time.")
@click.option("--service-account", default="", help="The pods' account, e.g. marque-pipeline.")
@click.option("--pipeline-root", default="", help="Where artifacts go, gs://bucket/folder; by default where Kubeflow is set to.")
@click.option("--no-reuse", is_flag=True, help="Run every step, whatever was run before.")
@click.option("--cron", default="", help="Run again and again: 'minute hour day month weekday', e.g. '0 3 * * 1'.")
@click.option("--wait", is_flag=True, help="Follow the run to its end; exit status 1 where it fails.")
@click.option("--poll-s", type=click.FloatRange(min=0.01), default=5.0, show_default=True, help="How often --wait asks.")
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
    poll_s: float,
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
        documents = values.read_documents(pipeline)
        given = _given(pipeline, source, repository, preset_name, settings, parameters, pairs)
        values.check(given, documents)
        name = run_name or f"{documents[0]['pipelineInfo']['name']} {time.strftime('%Y-%m-%d %H:%M')}"
        order = Order(documents, name, given, service_account, pipeline_root, reuse=not no_reuse)
        token = token_file.read_text("utf-8").strip() if token_file else os.environ.get("KFP_TOKEN", "")
        try:
            runner = _vertex(project, region, token_file) if vertex else _kubeflow(host, namespace, token, kube_context, experiment)
            sent = runner.schedule(order, cron) if cron else runner.run(order)
        except UnreachableError as error:
            raise UserError(str(error)) from error
        console = Console(soft_wrap=True, highlight=False)
        console.print(f"{'scheduled' if cron else 'started'} {name}\n{sent.address}", markup=False)
        if wait:
            _follow(runner, sent.id, console, poll_s)


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
    return {**collect(places["source"], places["repository"], preset_name, settings, types), **own, **places}


def _kubeflow(host: str, namespace: str, token: str, context: str, experiment: str) -> Runner:
    from pipelines.submit.kubeflow import Kubeflow

    return Kubeflow(host, namespace=namespace, token=token, context=context, experiment=experiment)


def _vertex(project: str, region: str, token_file: Path | None) -> Runner:
    from pipelines.submit.vertex import Vertex

    if not project or not region:
        raise UserError("--vertex: expected --project and --region")
    return Vertex(project, region, token_file.read_text("utf-8").strip() if token_file else "")


def _follow(runner: Runner, run_id: str, console: Console, poll_s: float) -> None:
    from pipelines.submit.watch import watch

    try:
        ended = watch(lambda: runner.status(run_id), console, poll_s=poll_s)
    except KeyboardInterrupt:
        console.print("no longer followed; the run goes on")
        sys.exit(130)
    if ended.state != SUCCEEDED:
        steps = ", ".join(dict.fromkeys(step.name for step in ended.steps if step.state == ended.state))
        raise UserError(": ".join(part for part in (f"the run ended {ended.state.lower()}", steps, ended.problem) if part))
    console.print("the run succeeded")


def _cron(text: str) -> str:
    """Six fields, the first for seconds, as Kubeflow takes them."""
    fields = text.split()
    if fields and len(fields) not in (5, 6):
        raise UserError(f"--cron: expected 'minute hour day month weekday', received {text!r}")
    return " ".join(fields if len(fields) != 5 else ["0", *fields])
