"""The overlays of infra/, rendered with the example's settings by kubectl's kustomize, or kustomize itself."""

import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

INFRA = Path(__file__).resolve().parents[2] / "infra"
OVERLAYS = ("kind", "gke", "on-prem")
Objects = list[dict[str, Any]]


@pytest.fixture(scope="session")
def render(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Objects]:
    """An overlay's name -> all its objects."""
    if kubectl := shutil.which("kubectl"):
        command = [kubectl, "kustomize"]
    elif kustomize := shutil.which("kustomize"):
        command = [kustomize, "build"]
    else:
        pytest.skip("neither kubectl nor kustomize is on this machine")
    copy = tmp_path_factory.mktemp("infra")
    for part in ("kubernetes", "settings"):
        shutil.copytree(INFRA / part, copy / part)
    shutil.copyfile(INFRA / "settings" / "settings.env.example", copy / "settings" / "settings.env")

    @cache
    def rendered(overlay: str) -> Objects:
        run = subprocess.run([*command, copy / "kubernetes" / "overlays" / overlay], capture_output=True, text=True, timeout=60)
        assert run.returncode == 0, run.stderr
        return list(yaml.safe_load_all(run.stdout))

    return rendered


@pytest.fixture(params=OVERLAYS)
def objects(request: pytest.FixtureRequest, render: Callable[[str], Objects]) -> Objects:
    """All objects of each overlay in turn."""
    return render(request.param)


def named(objects: Objects, kind: str, name: str) -> dict[str, Any]:
    """The one object of that kind and name."""
    [found] = [each for each in objects if each["kind"] == kind and each["metadata"]["name"] == name]
    return found


def generated(objects: Objects, name: str) -> dict[str, str]:
    """The data of the ConfigMap whose name is `name` and kustomize's hash."""
    [found] = [each for each in objects if each["kind"] == "ConfigMap" and each["metadata"]["name"].startswith(f"{name}-")]
    return found["data"]
