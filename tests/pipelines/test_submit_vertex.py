"""`python -m pipelines submit --vertex` against a server that speaks Vertex's API."""

import json
import re
from pathlib import Path

import pytest
import yaml

from pipelines.compile import compile_training
from pipelines.submit.vertex import ENDPOINT

from .elsewhere import PLACES, Elsewhere, serve, submit


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
    state.states = [
        {"state": "PIPELINE_STATE_QUEUED"},
        {
            "state": "PIPELINE_STATE_RUNNING",
            "jobDetail": {"taskDetails": [root, {**detail, "state": "RUNNING", "endTime": None}]},
        },
        {"state": "PIPELINE_STATE_SUCCEEDED", "jobDetail": {"taskDetails": [root, detail]}},
    ]
    result = submit(training, *PLACES, *flags, "--pipeline-root=gs://cars/runs", "--run-name=1 Tuesday!", "--wait",
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


@pytest.mark.slow
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
    result = submit(training, *PLACES, *flags, "--pipeline-root=gs://cars/runs", "--wait")
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


def test_without_reuse_vertex_caches_no_step(google: tuple[Elsewhere, list[str]], training: Path) -> None:
    state, flags = google
    assert submit(training, *PLACES, *flags, "--pipeline-root=gs://cars/runs", "--no-reuse").exit_code == 0
    [body] = state.bodies("/v1/projects/cars/locations/europe-west4/pipelineJobs")
    assert '"enableCache": true' not in json.dumps(body)


def test_vertex_with_a_token_that_has_run_out(google: tuple[Elsewhere, list[str]], training: Path) -> None:
    state, flags = google
    state.token = "another"
    result = submit(training, *PLACES, *flags, "--pipeline-root=gs://cars/runs")
    assert result.exit_code == 1
    assert "the login has run out; write a new token into" in result.output
    assert "secret" not in result.output.replace("client_secret", "")


@pytest.mark.parametrize("said", ["<html>Log in</html>", {}])
def test_another_answer_is_not_taken_for_one_of_vertex(
    google: tuple[Elsewhere, list[str]], training: Path, monkeypatch: pytest.MonkeyPatch, said: dict[str, str] | str
) -> None:
    _, flags = google
    with serve(lambda *_: (200, said)) as state:
        monkeypatch.setenv(ENDPOINT, state.address)
        for more in ([], ["--cron=0 3 * * *"], ["--wait"]):
            result = submit(training, *PLACES, *flags, "--pipeline-root=gs://cars/runs", *more)
            assert result.exit_code == 1
            assert "expected an answer of Vertex, received another one" in result.output
            assert len(result.output.splitlines()) == 1
