"""`python -m pipelines submit` against a server that speaks Kubeflow's API: what is sent, and how a run is followed."""

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from pipelines.compile import compile_batch, compile_training
from pipelines.resources import Placement
from pipelines.scheduling import Scheduling

from .elsewhere import PLACES, RECURRING, RUNS, Answer, Elsewhere, kubeflow, serve, submit


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


@pytest.mark.slow
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


@pytest.mark.slow
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
    own += [task(name, "RUNNING", 0) for name in ("executor(0)", "push", "for-loop-2", "iteration-iterations(0:0)")]
    server.states = [
        run_of("PENDING"),
        run_of("RUNNING", *own, task("ingest", "RUNNING", 0)),
        run_of("RUNNING", *own, task("ingest", "SUCCEEDED", 0, 4), task("shard", "RUNNING", 4), task("shard", "RUNNING", 5)),
        run_of(
            "SUCCEEDED", task("ingest", "SUCCEEDED", 0, 4), task("shard", "SUCCEEDED", 4, 6), task("shard", "SUCCEEDED", 5, 6),
            task("train", "SUCCEEDED", 6, 59), task("deploy", "SKIPPED", 59),
        ),
    ]  # fmt: skip
    result = submit(training, *PLACES, "--wait")
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
    failed = task("train", "FAILED", 1, 3, "out of memory\n\x1b[31magain")
    server.states = [run_of("RUNNING", task("train", "RUNNING", 1)), run_of("FAILED", failed, problem="one step failed")]
    result = submit(training, *PLACES, "--wait")
    assert result.exit_code == 1
    assert "x train: failed in 2 min 00 s: out of memory [31magain" in result.output
    assert result.output.splitlines()[-1] == "marque: error: the run ended failed: train: one step failed"


def test_a_driver_of_kubeflow_that_fails_is_named(server: Elsewhere, training: Path) -> None:
    server.states = [run_of("FAILED", task("root", "FAILED", 0, 2), task("train-driver", "FAILED", 1, 2, "no such claim"))]
    result = submit(training, *PLACES, "--wait")
    assert "x train-driver: failed in 1 min 00 s: no such claim" in result.output
    assert result.output.splitlines()[-1] == "marque: error: the run ended failed: train-driver"


def test_a_run_that_is_stopped_is_no_success(server: Elsewhere, training: Path) -> None:
    server.states = [run_of("CANCELING"), run_of("CANCELED", task("train", "CANCELED", 1, 2))]
    result = submit(training, *PLACES, "--wait")
    assert result.exit_code == 1
    assert "the run ended canceled: train" in result.output


def test_a_server_that_does_not_answer_for_a_while_is_asked_again(server: Elsewhere, training: Path) -> None:
    server.states = [run_of("SUCCEEDED")]
    server.failures_later = [500, 429, 500]
    result = submit(training, *PLACES, "--wait")
    assert result.exit_code == 0, result.output
    assert server.failures == []


def test_a_server_that_stays_away_is_given_up(server: Elsewhere, training: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.submit.watch.PATIENCE_S", 0.05)
    server.failures_later = [500] * 1000
    result = submit(training, *PLACES, "--wait")
    assert result.exit_code == 1
    assert result.output.splitlines()[-1].endswith("received 500 Internal Server Error on purpose; the run may still go on")


def test_a_refusal_while_it_runs_does_not_say_that_it_has_ended(server: Elsewhere, training: Path) -> None:
    server.failures_later = [401]
    result = submit(training, *PLACES, "--wait")
    assert result.exit_code == 1
    assert "refused: 401" in result.output
    assert result.output.splitlines()[-1].endswith("; the run may still go on")


def test_a_token_that_is_renewed_is_read_anew(training: Path, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("secret\n")

    def renewing(state: Elsewhere, verb: str, path: str, *rest: Any) -> Answer:
        if (verb, path) == ("POST", RUNS):
            state.token = "second"
            file.write_text("second\n")
        return kubeflow(state, verb, path, *rest)

    with serve(renewing) as state:
        state.states = [run_of("SUCCEEDED")]
        result = submit(training, *PLACES, f"--host={state.address}", f"--token-file={file}", "--wait")
    assert result.exit_code == 0, result.output


def test_interrupted_it_leaves_the_run_alone(server: Elsewhere, training: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pipelines.submit.watch.time", SimpleNamespace(sleep=interrupt, monotonic=time.monotonic))
    server.states = [run_of("RUNNING", task("train", "RUNNING", 1))]
    result = submit(training, *PLACES, "--wait")
    assert result.exit_code == 130
    assert "no longer followed; the run goes on" in result.output


def test_in_a_pod_it_has_the_login_of_the_pod(training: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("secret\n")
    monkeypatch.delenv("KFP_HOST", raising=False)
    with serve(kubeflow) as state:
        monkeypatch.setattr("pipelines.submit.connection.POD_TOKEN", tmp_path / "token")
        monkeypatch.setattr("pipelines.submit.connection.POD_ADDRESS", state.address)
        assert submit(training, *PLACES).exit_code == 0
        assert len(state.bodies(RUNS)) == 1
