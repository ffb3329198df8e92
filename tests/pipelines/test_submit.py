"""`python -m pipelines submit` against servers that speak Kubeflow's and Vertex's APIs."""

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from pipelines.__main__ import main
from pipelines.compile import compile_batch, compile_training
from pipelines.resources import Placement
from pipelines.scheduling import Scheduling
from pipelines.submit.vertex import ENDPOINT

from .elsewhere import Elsewhere, kubeflow, serve, vertex

RUNS, RECURRING = "/apis/v2beta1/runs", "/apis/v2beta1/recurringruns"
PLACES = ["--source=gs://cars/photos", "--repository=gs://cars/models"]


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("compiled") / "training.yaml"
    compile_training(path, "registry.test/marque:1")
    return path


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Elsewhere]:
    with serve(kubeflow) as state:
        monkeypatch.setenv("KFP_HOST", state.address)
        monkeypatch.setenv("KFP_TOKEN", "secret")
        yield state


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[Elsewhere, list[str]]]:
    with serve(vertex) as state:
        monkeypatch.setenv(ENDPOINT, f"{state.address}/")
        (tmp_path / "token").write_text("secret\n")
        yield state, ["--vertex", "--project=cars", "--region=europe-west4", f"--token-file={tmp_path / 'token'}"]


def submit(pipeline: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["submit", f"--pipeline={pipeline}", *arguments])


def task(name: str, state: str, began: int, ended: int | None = None, problem: str = "") -> dict[str, Any]:
    times = {
        key: f"2026-11-24T10:{minute:02}:00Z" for key, minute in (("start_time", began), ("end_time", ended)) if minute is not None
    }
    return {
        "task_id": f"{name}-{began}",
        "display_name": name,
        "state": state,
        **times,
        **({"error": {"message": problem}} if problem else {}),
    }


def run_of(state: str, *tasks: dict[str, Any], problem: str = "") -> dict[str, Any]:
    error = {"error": {"code": 2, "message": problem}} if problem else {}
    return {"state": state, "run_details": {"task_details": list(tasks)}, **error}


def test_a_run_has_both_documents_and_all_parameters(server: Elsewhere, training: Path) -> None:
    result = submit(training, *PLACES, "--preset=smoke", "--set=seed=7", "-p", "keep_versions=2", "--run-name=tuesday",
                    "--service-account=marque-pipeline")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert f"{server.address}/#/runs/details/run-1" in result.output
    [body] = server.bodies(RUNS)
    graph, platform = yaml.safe_load_all(training.read_text())
    assert body["pipeline_spec"] == {"pipeline_spec": graph, "platform_spec": platform}
    assert body["display_name"] == "tuesday"
    assert body["service_account"] == "marque-pipeline"
    parameters = body["runtime_config"]["parameters"]
    assert parameters["source"] == "gs://cars/photos"
    assert parameters["keep_versions"] == 2
    assert parameters["train_settings"]["seed"] == 7
    assert body["experiment_id"] == "experiment-0"


def test_the_experiment_is_made_once(server: Elsewhere, training: Path) -> None:
    for _ in range(2):
        assert submit(training, *PLACES, "--experiment=nightly").exit_code == 0
    assert [each["display_name"] for each in server.experiments] == ["nightly"]
    assert len(server.bodies(RUNS)) == 2


def test_several_users_have_a_namespace_each(server: Elsewhere, training: Path) -> None:
    server.multi_user = True
    refused = submit(training, *PLACES)
    assert refused.exit_code == 1
    assert "expected --namespace" in refused.output
    assert submit(training, *PLACES, "--namespace=ann").exit_code == 0
    assert server.experiments[0]["namespace"] == "ann"


def test_a_file_of_parameters_and_over_it_those_of_the_command_line(server: Elsewhere, training: Path, tmp_path: Path) -> None:
    file = tmp_path / "parameters.yaml"
    file.write_text(
        "source: gs://cars/a\nrepository: gs://cars/models\nkeep_versions: 3\nsplit_seed: 4\ngate_settings: {min_top1: 0.5}\n"
    )
    result = submit(training, f"--parameters={file}", "-p", "split_seed=5", "--source=gs://cars/b")
    assert result.exit_code == 0, result.output
    parameters = server.bodies(RUNS)[0]["runtime_config"]["parameters"]
    assert (parameters["source"], parameters["keep_versions"], parameters["split_seed"]) == ("gs://cars/b", 3, 5)
    assert parameters["gate_settings"] == {"min_top1": 0.5}


def test_other_pipelines_take_their_own_parameters(server: Elsewhere, tmp_path: Path) -> None:
    compile_batch(tmp_path / "batch.yaml", "registry.test/marque:1")
    places = ["-p", "photos=gs://cars/photos", "-p", "model=gs://cars/models/marque/1", "-p", "output=gs://cars/out"]
    assert submit(tmp_path / "batch.yaml", *places).exit_code == 0
    assert server.bodies(RUNS)[0]["runtime_config"]["parameters"]["output"] == "gs://cars/out"
    assert "expected a value for output" in submit(tmp_path / "batch.yaml", *places[:4]).output
    assert "expected -p" in submit(tmp_path / "batch.yaml", *places, "--preset=toy").output


def test_a_folder_of_a_volume_is_a_place_that_pods_can_reach(server: Elsewhere, tmp_path: Path) -> None:
    pipeline = tmp_path / "training.yaml"
    compile_training(pipeline, Placement("registry.test/marque:1", Scheduling(volumes={"/models": "marque-models"})))
    assert submit(pipeline, "--source=toy://", "--repository=/models").exit_code == 0
    refused = submit(pipeline, "--source=toy://", "--repository=/modelsbeside")
    assert "expected an address that the cluster can reach (gs://…), or a folder in /models" in refused.output
    assert len(server.bodies(RUNS)) == 1


def test_without_reuse_no_step_is_cached(server: Elsewhere, training: Path) -> None:
    for flags in ([], ["--no-reuse"]):
        assert submit(training, *PLACES, *flags).exit_code == 0
    cached, uncached = (json.dumps(body["pipeline_spec"]).count('"enableCache": true') for body in server.bodies(RUNS))
    assert cached > 3
    assert uncached == 0


@pytest.mark.parametrize(("cron", "sent"), [("0 3 * * 1", "0 0 3 * * 1"), ("30 0 3 * * *", "30 0 3 * * *")])
def test_recurring_runs(server: Elsewhere, training: Path, cron: str, sent: str) -> None:
    result = submit(training, *PLACES, f"--cron={cron}")
    assert result.exit_code == 0, result.output
    assert "/#/recurringrun/details/recurring-1" in result.output
    [body] = server.bodies(RECURRING)
    assert body["trigger"]["cron_schedule"]["cron"] == sent
    assert (body["mode"], body["max_concurrency"], body["no_catchup"]) == ("ENABLE", "1", True)
    assert server.bodies(RUNS) == []


def test_wait_tells_of_every_step_once_and_follows_the_run(server: Elsewhere, training: Path) -> None:
    own = [task("root", "RUNNING", 0), task("train-driver", "SUCCEEDED", 1, 2), task("executor", "RUNNING", 3)]
    server.states = [
        run_of("PENDING"),
        run_of("RUNNING", *own, task("ingest", "RUNNING", 0)),
        run_of("RUNNING", *own, task("ingest", "SUCCEEDED", 0, 4), task("shard", "RUNNING", 4), task("shard", "RUNNING", 5)),
        run_of(
            "SUCCEEDED", task("ingest", "SUCCEEDED", 0, 4), task("shard", "SUCCEEDED", 4, 6), task("shard", "SUCCEEDED", 5, 6),
            task("train", "SUCCEEDED", 6, 59), task("deploy", "SKIPPED", 59),
        ),
    ]  # fmt: skip
    result = submit(training, *PLACES, "--wait", "--poll-s=0.01")
    assert result.exit_code == 0, result.output
    lines = [line.strip() for line in result.output.splitlines()[2:]]
    assert lines == [
        "> ingest",
        "+ ingest: done in 4 min 00 s",
        "> shard",
        "> shard",
        "+ shard: done in 2 min 00 s",
        "+ shard: done in 1 min 00 s",
        "> train",
        "+ train: done in 53 min 00 s",
        "- deploy: skipped",
        "the run succeeded",
    ]


def test_a_run_that_fails_ends_in_one_line_and_status_1(server: Elsewhere, training: Path) -> None:
    failed = task("train", "FAILED", 1, 3, "out of memory\nagain")
    server.states = [run_of("RUNNING", task("train", "RUNNING", 1)), run_of("FAILED", failed, problem="one step failed")]
    result = submit(training, *PLACES, "--wait", "--poll-s=0.01")
    assert result.exit_code == 1
    assert "x train: failed in 2 min 00 s: out of memory again" in result.output
    assert result.output.splitlines()[-1] == "marque: error: the run ended failed: train: one step failed"


def test_a_run_that_is_stopped_is_no_success(server: Elsewhere, training: Path) -> None:
    server.states = [run_of("CANCELING"), run_of("CANCELED", task("train", "CANCELED", 1, 2))]
    result = submit(training, *PLACES, "--wait", "--poll-s=0.01")
    assert result.exit_code == 1
    assert "the run ended canceled: train" in result.output


def test_a_server_that_does_not_answer_for_a_while_is_asked_again(server: Elsewhere, training: Path) -> None:
    server.states = [run_of("SUCCEEDED")]
    server.failures_later = [500, 429, 500]
    result = submit(training, *PLACES, "--wait", "--poll-s=0.01")
    assert result.exit_code == 0, result.output
    assert server.failures == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--source=cars", "--repository=gs://b/m"], "source: expected an address that the cluster can reach"),
        (["--source=gs://b/c", "--repository=/models"], "repository: expected an address that the cluster can reach"),
        (["--source=gs://b/c"], "expected --repository"),
        ([*PLACES, "-p", "epoch=3"], "-p: expected one of"),
        ([*PLACES, "-p", "keep_versions=x"], "-p keep_versions: expected a whole number, received 'x'"),
        ([*PLACES, "-p", "gate_settings=[1]"], "-p gate_settings: expected a JSON object"),
        ([*PLACES, "-p", "keep_versions"], "-p: expected name=value"),
        ([*PLACES, "--cron=daily"], "--cron: expected 'minute hour day month weekday'"),
        ([*PLACES, "--cron=0 3 * * *", "--wait"], "expected one of them"),
        ([*PLACES, "--parameters=none.yaml"], "none.yaml: no such file"),
        ([*PLACES, "--vertex"], "expected --project and --region"),
        ([*PLACES, "--token-file=none"], "none: No such file"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_sent(server: Elsewhere, training: Path, arguments: list[str], expected: str) -> None:
    result = submit(training, *arguments)
    assert result.exit_code == 1
    assert expected in result.output
    assert len(result.output.splitlines()) == 1
    assert server.bodies(RUNS) + server.bodies(RECURRING) == []


def test_a_file_with_a_wrong_value_names_it(server: Elsewhere, training: Path, tmp_path: Path) -> None:
    for text, expected in {
        "keep_versions: many": "keep_versions: expected a whole number",
        "keep_versions: true": "expected a whole number",
        "- 1": "expected `name: value`",
        "colour: red": "expected one of",
        "{": "expected YAML",
    }.items():
        (tmp_path / "p.yaml").write_text(text)
        result = submit(training, *PLACES, f"--parameters={tmp_path / 'p.yaml'}")
        assert (result.exit_code, server.bodies(RUNS)) == (1, [])
        assert expected in result.output


def test_a_wrong_token_no_pipelines_there_and_nobody_there(
    server: Elsewhere, training: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KFP_TOKEN", "stale")
    wrong = submit(training, *PLACES)
    assert "401 Unauthorized no such user; put a valid token into KFP_TOKEN" in wrong.output
    monkeypatch.setenv("KFP_TOKEN", "secret")
    assert "is this the address of Kubeflow Pipelines?" in submit(training, *PLACES, f"--host={server.address}/elsewhere").output
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    nobody = submit(training, *PLACES, f"--host=http://127.0.0.1:{port}")
    assert "could not reach one" in nobody.output
    assert len(nobody.output.splitlines()) == 1


def test_without_a_host_the_cluster_is_asked_by_its_own_login(
    training: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KFP_HOST", raising=False)
    config = tmp_path / "kubeconfig"
    monkeypatch.setenv("KUBECONFIG", str(config))
    assert "expected --host, or a kube-config" in submit(training, *PLACES).output

    def behind_kubernetes(state: Elsewhere, verb: str, path: str, *rest: Any) -> tuple[int, dict[str, Any]]:
        prefix = "/api/v1/namespaces/kubeflow/services/ml-pipeline:http/proxy"
        return kubeflow(state, verb, path.removeprefix(prefix), *rest) if path.startswith(prefix) else (404, {})

    with serve(behind_kubernetes) as state:
        config.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "lab",
                    "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "ann"}}],
                    "clusters": [{"name": "lab", "cluster": {"server": state.address}}],
                    "users": [{"name": "ann", "user": {"token": "secret"}}],
                }
            )
        )
        monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(config))
        result = submit(training, *PLACES, "--kube-context=lab")
        assert result.exit_code == 0, (result.output, [each[1] for each in state.requests])
        assert state.requests[-1][1].endswith(f"proxy{RUNS}")


def test_vertex_runs_the_same_yaml(google: tuple[Elsewhere, list[str]], training: Path) -> None:
    state, flags = google
    detail = {
        "taskName": "train",
        "taskId": "9",
        "state": "SUCCEEDED",
        "startTime": "2026-11-24T10:00:00Z",
        "endTime": "2026-11-24T10:01:30.5Z",
    }
    root = {"taskName": "marque-training", "taskId": "1", "state": "SUCCEEDED"}
    info = {"pipelineSpec": {"pipelineInfo": {"name": "marque-training"}}}
    state.states = [
        {"state": "PIPELINE_STATE_QUEUED"},
        {
            **info,
            "state": "PIPELINE_STATE_RUNNING",
            "jobDetail": {"taskDetails": [root, {**detail, "state": "RUNNING", "endTime": None}]},
        },
        {**info, "state": "PIPELINE_STATE_SUCCEEDED", "jobDetail": {"taskDetails": [root, detail]}},
    ]
    result = submit(training, *PLACES, *flags, "--pipeline-root=gs://cars/runs", "--run-name=1 Tuesday!", "--wait", "--poll-s=0.01",
                    "--service-account=train@cars.iam.gserviceaccount.com")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "+ train: done in 1 min 30 s" in result.output
    assert "marque-training" not in result.output
    assert re.search(r"europe-west4/pipelines/runs/tuesday-\d{14}\?project=cars", result.output)
    [body] = state.bodies("/v1/projects/cars/locations/europe-west4/pipelineJobs")
    assert body["pipelineSpec"] == next(yaml.safe_load_all(training.read_text()))
    assert body["runtimeConfig"]["gcsOutputDirectory"] == "gs://cars/runs"
    assert body["runtimeConfig"]["parameterValues"]["source"] == "gs://cars/photos"
    assert body["serviceAccount"] == "train@cars.iam.gserviceaccount.com"


def test_vertex_schedules_and_says_what_it_refuses(google: tuple[Elsewhere, list[str]], training: Path, tmp_path: Path) -> None:
    state, flags = google
    root = "--pipeline-root=gs://cars/runs"
    assert submit(training, *PLACES, *flags, root, "--cron=0 3 * * 1").exit_code == 0
    [body] = state.bodies("/v1/projects/cars/locations/europe-west4/schedules")
    assert body["cron"] == "0 3 * * 1"
    assert "Vertex knows no seconds" in submit(training, *PLACES, *flags, root, "--cron=5 0 3 * * 1").output
    assert "expected gs://bucket/folder" in submit(training, *PLACES, *flags).output
    assert "refused: 403 no access to" in submit(training, *PLACES, *flags, root, "--project=other").output
    compile_training(tmp_path / "gpu.yaml", "registry.test/marque:1", gpus=1)
    assert "which Vertex does not know" in submit(tmp_path / "gpu.yaml", *PLACES, *flags, root).output


def test_vertex_that_fails_says_why(google: tuple[Elsewhere, list[str]], training: Path) -> None:
    state, flags = google
    state.states = [{"state": "PIPELINE_STATE_FAILED", "error": {"code": 9, "message": "quota exceeded"}}]
    result = submit(training, *PLACES, *flags, "--pipeline-root=gs://cars/runs", "--wait", "--poll-s=0.01")
    assert result.exit_code == 1
    assert result.output.splitlines()[-1] == "marque: error: the run ended failed: quota exceeded"


def test_vertex_without_a_login(
    google: tuple[Elsewhere, list[str]], training: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _, flags = google
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    result = submit(training, *PLACES, *flags[:3], "--pipeline-root=gs://cars/runs")
    assert result.exit_code == 1
    assert "gcloud auth application-default login" in result.output
