"""`python -m pipelines submit`: a mistake, and a server that does not answer as Kubeflow does, is one line; no token is shown."""

import socket
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.submit.kubeflow import TIMEOUT_S

from .elsewhere import PLACES, RECURRING, RUNS, Answer, Elsewhere, kubeflow, serve, submit


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
        ([*PLACES, "--cron=CRON_TZ=UTC 0 3 * * *"], "--cron: expected 'minute hour day month weekday'"),
        ([*PLACES, "-p", 'gate_settings={"min_top1": NaN}'], "-p gate_settings: expected a JSON object"),
        ([*PLACES, "-p", f"gate_settings={'[' * 20000}"], "-p gate_settings: expected a JSON object"),
        ([*PLACES, "-p", 'gate_settings={"top": 1}'], "gate_settings: expected one of min_top1"),
        ([*PLACES, "-p", "keep_versions=-3"], "keep_versions: expected at least 1"),
        ([*PLACES, "--run-name=a\nb"], "--run-name: expected one line of text"),
        ([*PLACES, "--pipeline-root=here"], "--pipeline-root: expected gs://bucket/folder"),
        ([*PLACES, "--host=http://a", "--kube-context=b"], "expected one of them"),
        ([*PLACES, "--project=cars"], "--project: expected with --vertex"),
        ([*PLACES, "--vertex", "--project=cars", "--region=x", "--namespace=ann"], "--namespace: expected without --vertex"),
        *(
            ([*PLACES, f"--host={host}"], "expected the address of Kubeflow Pipelines, such as https://")
            for host in ("localhost:8080", "ftp://a", "http://", "http://a:99999", "http://a b", "http://a/#/runs", "http://[")
        ),
    ],
)
@pytest.mark.slow
def test_a_mistake_is_one_line_and_nothing_is_sent(server: Elsewhere, training: Path, arguments: list[str], expected: str) -> None:
    result = submit(training, *arguments)
    assert result.exit_code == 1, result.output
    assert expected in result.output
    assert len(result.output.splitlines()) == 1
    assert server.bodies(RUNS) + server.bodies(RECURRING) == []


@pytest.mark.slow
def test_a_file_with_a_wrong_value_names_it(server: Elsewhere, training: Path, tmp_path: Path) -> None:
    for text, expected in {
        "keep_versions: many": "keep_versions: expected a whole number",
        "keep_versions: true": "expected a whole number",
        "- 1": "expected `name: value`",
        "colour: red": "expected one of",
        "{": "expected YAML",
        "": "received nothing",
        "[" * 1000: "expected YAML",
        "gate_settings: {min_top1: .nan}": "gate_settings: expected what JSON can hold",
        "gate_settings: {a: 2026-01-01}": "expected what JSON can hold",
        "gate_settings: &a {b: *a}": "expected what JSON can hold",
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
    monkeypatch.setenv("KFP_HOST", "http://127.0.0.1:1")  # which --kube-context goes before

    def behind_kubernetes(state: Elsewhere, verb: str, path: str, *rest: Any) -> Answer:
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


def test_a_damaged_kube_config_is_one_line(training: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "kubeconfig"
    monkeypatch.delenv("KFP_HOST", raising=False)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(config))
    for content in (b"", b"{", b"- 1", b"a: b", b"\xff"):
        config.write_bytes(content)
        result = submit(training, *PLACES)
        assert result.exit_code == 1
        assert result.output.startswith("marque: error: expected --host, or a kube-config")
        assert len(result.output.splitlines()) == 1


@pytest.mark.parametrize(
    "content",
    ["", "- 1\n", "text", "{", "---\n---\n", "apiVersion: v1\nkind: Pod\n", "deploymentSpec: {}\nroot: {}\n", "\xff",
     "deploymentSpec: {}\nroot: {}\npipelineInfo: {name: x}\n---\ncolour: red\n"],
)  # fmt: skip
def test_a_file_that_is_no_pipeline_is_one_line(server: Elsewhere, tmp_path: Path, content: str) -> None:
    (tmp_path / "x.yaml").write_text(content, "latin-1")
    result = submit(tmp_path / "x.yaml", *PLACES)
    assert result.exit_code == 1
    assert "x.yaml: expected a pipeline written by `python -m pipelines compile`" in result.output
    assert len(result.output.splitlines()) == 1
    assert server.requests == []


@pytest.mark.parametrize("content", [b"hid\nden", b"", b"\xff", b"hid den", "hiddén".encode()])
def test_what_is_no_token_is_not_shown(server: Elsewhere, training: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "token").write_bytes(content)
    result = submit(training, *PLACES, f"--token-file={tmp_path / 'token'}")
    assert result.exit_code == 1
    assert "token: expected a token" in result.output
    assert "hid" not in result.output
    assert len(result.output.splitlines()) == 1
    assert server.requests == []


def test_a_password_in_an_address_is_not_shown(training: Path) -> None:
    result = submit(training, *PLACES, "--host=https://ann:hidden@kubeflow.test")
    assert "expected an address without a user and a password" in result.output
    assert "hidden" not in result.output


@pytest.mark.parametrize(("said", "expected"), [("<html>Log in</html>", "another one (text/html); where it asks for a login"),
                                                ({}, "received one without an id")])  # fmt: skip
def test_another_answer_is_not_taken_for_a_run(
    training: Path, monkeypatch: pytest.MonkeyPatch, said: dict[str, Any] | str, expected: str
) -> None:
    monkeypatch.setenv("KFP_TOKEN", "secret")
    with serve(lambda *_: (200, said)) as state:
        for flags in ([], ["--cron=0 3 * * *"], ["--wait"]):
            result = submit(training, *PLACES, f"--host={state.address}", *flags)
            assert result.exit_code == 1
            assert expected in result.output
            assert len(result.output.splitlines()) == 1


@pytest.mark.timeout(60)
@pytest.mark.slow
def test_a_server_that_never_answers_is_given_up(training: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.submit.kubeflow.TIMEOUT_S", type(TIMEOUT_S)(1))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        result = submit(training, *PLACES, f"--host=http://127.0.0.1:{silent.getsockname()[1]}")
    assert result.exit_code == 1
    assert "could not reach one" in result.output
