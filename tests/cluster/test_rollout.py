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

CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5); print('connected')"
BLOCKED = r"{} failed[\s\S]*(timed out|TimeoutError|refused)"
MODELS = {"/models": "marque-models"}
SERVERS = "tf-serving-pods.marque-serving:8500"


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
def submit(installed: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., None]:
    pipeline = tmp_path_factory.mktemp("compiled") / "training.yaml"
    registry, _, rest = image("data").rpartition("/marque-data:")
    where = ["--registry", registry, "--tag", rest, "--volume", "marque-models:/models", "--pull-policy=Always"]
    subprocess.run([sys.executable, "-m", "pipelines", "compile", *where, f"--output={pipeline}"], check=True, timeout=120)

    def run(seed: int, *more: str) -> None:
        command = [
            sys.executable, "-m", "pipelines", "submit", f"--pipeline={pipeline}", f"--kube-context={installed.context}",
            "--service-account=marque-pipeline", "--source=toy://?classes=3&per_class=12&seed=1", "--repository=/models",
            "--preset=smoke", f"--set=seed={seed}", "--set=override=a test of the cluster",
            "--wait", *more,
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
def test_submitted_served_and_taken_back(installed: Cluster, submit: Callable[..., None], photo: Path) -> None:
    ready = installed.run("get", "deployment", "tf-serving", "-n", SERVING, "-o", "jsonpath={.status.readyReplicas}")
    # before a first model there are no servers that could be told
    submit(1, *(["-p", f"servers={SERVERS}"] if ready else []))
    installed.run("rollout", "status", "deployment/tf-serving", "-n", SERVING, "--timeout=600s", timeout_s=660)
    first = answered(installed, photo, "stable")
    submit(2, "-p", f"servers={SERVERS}")
    second = answered(installed, photo, "stable")
    assert second > first
    assert {first, second} <= versions(installed), "what was stable before stays loaded, so that it can be had back at once"
    back = ["python3", "-m", "serving", "label", "stable", str(first), "--config", "/models/models.config", "--server", SERVERS]
    installed.finish(job(f"back-{int(time.time())}", "kubeflow", image("client"), back, volumes=MODELS))
    until(lambda: answered(installed, photo, "stable") == first)


def test_pods_are_ready(installed: Cluster) -> None:
    pods = json.loads(installed.run("get", "pods", "-n", SERVING, "-l", "app.kubernetes.io/name=tf-serving", "-o", "json"))["items"]
    assert pods
    for pod in pods:
        conditions = {each["type"]: each["status"] for each in pod["status"]["conditions"]}
        assert conditions["Ready"] == "True", pod["metadata"]["name"]


def test_clients_alone_get_through(installed: Cluster, space: str) -> None:
    connect = ["python3", "-c", CONNECT, "tf-serving.marque-serving", "8500"]
    installed.run("label", "namespace", space, "marque/client=true", "--overwrite")
    assert "connected" in installed.finish(job("friend", space, image("client"), connect), timeout_s=180)
    installed.run("label", "namespace", space, "marque/client-")
    time.sleep(5)  # until the network knows
    with pytest.raises(AssertionError, match=BLOCKED.format("stranger")):
        installed.finish(job("stranger", space, image("client"), connect), timeout_s=180)


def test_pods_beside_the_servers_reach_nothing_outside(installed: Cluster, space: str) -> None:
    connect = ["sh", "-c", f'exec python3 -c "{CONNECT}" "$KUBERNETES_SERVICE_HOST" 443']
    assert "connected" in installed.finish(job("free", space, image("client"), connect), timeout_s=180)
    with pytest.raises(AssertionError, match=BLOCKED.format("locked-in")):
        installed.finish(job("locked-in", SERVING, image("client"), connect), timeout_s=180)
