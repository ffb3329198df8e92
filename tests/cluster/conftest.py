"""A Kubernetes cluster, named by KUBE_CONTEXT, and the images it can pull: MARQUE_REGISTRY (localhost:5001) and MARQUE_TAG (kind).

Without KUBE_CONTEXT everything here is skipped. What tests make lies in a namespace of its own, which goes when they end.
"""

import json
import os
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from .manifests import claim, namespace

SERVING = "marque-serving"


@dataclass(frozen=True)
class Cluster:
    """kubectl in one context."""

    context: str

    def run(self, *arguments: str, given: str = "", timeout_s: float = 120) -> str:
        """What kubectl prints; it has to end well."""
        command = ["kubectl", "--context", self.context, *arguments]
        run = subprocess.run(command, input=given, capture_output=True, text=True, timeout=timeout_s)
        assert run.returncode == 0, f"{' '.join(command)}\n{run.stdout}{run.stderr}"
        return run.stdout

    def apply(self, *objects: dict[str, Any]) -> None:
        self.run("apply", "-f", "-", given="\n---\n".join(map(json.dumps, objects)))

    def finish(self, job: dict[str, Any], timeout_s: float = 900) -> str:
        """Runs a Job to its end, removes it, and returns its log; it has to succeed."""
        self.apply(job)
        name, space = job["metadata"]["name"], job["metadata"]["namespace"]
        try:
            deadline = time.monotonic() + timeout_s
            while time.monotonic() < deadline:
                status = json.loads(self.run("get", "job", name, "-n", space, "-o", "json"))["status"]
                if status.get("succeeded") or status.get("failed"):
                    log = self.run("logs", f"job/{name}", "-n", space, "--all-containers")
                    assert status.get("succeeded"), f"{name} failed:\n{log}"
                    return log
                time.sleep(2)
            pods = self.run("describe", "pods", "-n", space, "-l", f"job-name={name}")
            raise AssertionError(f"{name} did not end within {timeout_s:.0f} s:\n{pods}")
        finally:
            self.run("delete", "job", name, "-n", space)

    @contextmanager
    def forward(self, target: str, port: int, space: str) -> Iterator[str]:
        """`host:port` on this machine for a port in the cluster."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            local = free.getsockname()[1]
        command = ["kubectl", "--context", self.context, "-n", space, "port-forward", target, f"{local}:{port}"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            try:
                deadline = time.monotonic() + 30
                while time.monotonic() < deadline and process.poll() is None:
                    with socket.socket() as probe:
                        if probe.connect_ex(("127.0.0.1", local)) == 0:
                            break
                    time.sleep(0.2)
                yield f"127.0.0.1:{local}"
            finally:
                process.terminate()


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    context = os.environ.get("KUBE_CONTEXT")
    if not context:
        pytest.skip("no cluster: set KUBE_CONTEXT to one of `kubectl config get-contexts`, or run make kind-up and make kind-test")
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is not on this machine")
    found = Cluster(context)
    found.run("get", "nodes")
    return found


@pytest.fixture(scope="session")
def space(cluster: Cluster) -> Iterator[str]:
    """A namespace with a claim, `work`, and nothing else."""
    name = f"marque-test-{uuid.uuid4().hex[:8]}"
    cluster.apply(namespace(name), claim(name))
    yield name
    cluster.run("delete", "namespace", name, "--wait=false")


def image(name: str) -> str:
    """The reference of `data`, `trainer`, `server`, `client` or `app`."""
    return f"{os.environ.get('MARQUE_REGISTRY', 'localhost:5001')}/marque-{name}:{os.environ.get('MARQUE_TAG', 'kind')}"
