"""The whole way on a cluster of the overlay `kind` with Kubeflow Pipelines: submitted, followed, served, taken back."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from serving.client.client import Client

from .conftest import SERVING, Cluster, image
from .manifests import job

CONNECT = "import socket; socket.create_connection(('tf-serving.marque-serving', 8500), 5); print('connected')"
MODELS = {"/models": "marque-models"}


@pytest.fixture(scope="module")
def installed(cluster: Cluster) -> Cluster:
    for kind, name, space in (
        ("deployment", "tf-serving", SERVING),
        ("deployment", "ml-pipeline", "kubeflow"),
        ("pvc", "marque-models", SERVING),
    ):
        if not cluster.run("get", kind, name, "-n", space, "--ignore-not-found", "-o", "name"):
            pytest.skip(f"the cluster has no {kind} {name} in {space}: kubectl apply -k infra/kubernetes/overlays/kind")
    return cluster


@pytest.fixture(scope="module")
def submit(installed: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], None]:
    pipeline = tmp_path_factory.mktemp("compiled") / "training.yaml"
    registry, _, rest = image("data").rpartition("/marque-data:")
    where = ["--registry", registry, "--tag", rest, "--volume", "marque-models:/models", f"--output={pipeline}"]
    subprocess.run([sys.executable, "-m", "pipelines", "compile", *where], check=True, timeout=120)

    def run(seed: int) -> None:
        command = [
            sys.executable, "-m", "pipelines", "submit", f"--pipeline={pipeline}", f"--kube-context={installed.context}",
            "--service-account=marque-pipeline", "--source=toy://?classes=3&per_class=12&seed=1", "--repository=/models",
            "--preset=smoke", f"--set=seed={seed}", "--set=override=a test of the cluster",
            "-p", "servers=tf-serving-pods.marque-serving:8500", "--wait",
        ]  # fmt: skip
        ended = subprocess.run(command, capture_output=True, text=True, timeout=3000)
        assert ended.returncode == 0, ended.stdout + ended.stderr

    return run


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.new("RGB", (320, 240), "red").save(tmp_path / "car.jpg")
    return tmp_path / "car.jpg"


def versions(cluster: Cluster) -> set[int]:
    with cluster.forward("service/tf-serving", 8500, SERVING) as address, Client(address, deadline_s=60) as client:
        return {each.version for each in client.status() if each.state == "AVAILABLE"}


def answered(cluster: Cluster, photo: Path, label: str) -> int:
    with cluster.forward("service/tf-serving", 8500, SERVING) as address, Client(address, label=label, deadline_s=60) as client:
        [prediction] = client.predict([photo])
        assert prediction.labels
        return prediction.version


def until(is_so: Callable[[], bool], timeout_s: float = 180) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, f"not so within {timeout_s:.0f} s"
        time.sleep(2)


@pytest.mark.timeout(7200)
def test_submitted_served_and_taken_back(installed: Cluster, submit: Callable[[int], None], photo: Path) -> None:
    submit(1)
    installed.run("rollout", "status", "deployment/tf-serving", "-n", SERVING, "--timeout=600s", timeout_s=660)
    first = answered(installed, photo, "stable")
    submit(2)
    second = answered(installed, photo, "stable")
    assert second > first
    assert {first, second} <= versions(installed), "what was stable before stays loaded, so that it can be had back at once"
    back = ["python3", "-m", "serving", "label", "stable", str(first), "--config", "/models/models.config",
            "--server", "tf-serving-pods.marque-serving:8500"]  # fmt: skip
    installed.finish(job(f"back-{int(time.time())}", "kubeflow", image("client"), back, volumes=MODELS))
    until(lambda: answered(installed, photo, "stable") == first)


def test_pods_are_ready_and_spread(installed: Cluster) -> None:
    pods = json.loads(installed.run("get", "pods", "-n", SERVING, "-l", "app.kubernetes.io/name=tf-serving", "-o", "json"))["items"]
    assert pods
    for pod in pods:
        assert {"type": "Ready", "status": "True"}.items() <= {
            key: value for each in pod["status"]["conditions"] if each["type"] == "Ready" for key, value in each.items()
        }.items()


def test_clients_alone_get_through(installed: Cluster, space: str) -> None:
    connect = ["python3", "-c", CONNECT]
    installed.run("label", "namespace", space, "marque/client=true", "--overwrite")
    assert "connected" in installed.finish(job("friend", space, image("client"), connect), timeout_s=180)
    installed.run("label", "namespace", space, "marque/client-")
    time.sleep(5)  # until the network knows
    with pytest.raises(AssertionError, match=r"stranger failed[\s\S]*(timed out|TimeoutError|refused)"):
        installed.finish(job("stranger", space, image("client"), connect), timeout_s=180)


def test_serving_reaches_nothing_outside(installed: Cluster) -> None:
    outside = "import socket; socket.create_connection(('1.1.1.1', 443), 5)"
    with pytest.raises(AssertionError, match="locked-in failed"):
        installed.finish(
            job(
                "locked-in",
                SERVING,
                image("client"),
                ["python3", "-c", outside],
                labels={"app.kubernetes.io/name": "tf-serving-test"},
            ),
            timeout_s=180,
        )
