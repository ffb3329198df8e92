"""What tests of submit share: a compiled pipeline, and the servers it goes to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.compile import compile_training
from pipelines.submit.vertex import ENDPOINT

from .elsewhere import Elsewhere, kubeflow, serve, vertex


@pytest.fixture(scope="session")
def training(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("compiled") / "training.yaml"
    compile_training(path, "registry.test/marque:1")
    return path


@pytest.fixture(autouse=True)
def asked_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.submit.watch.POLL_S", 0.01)


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
