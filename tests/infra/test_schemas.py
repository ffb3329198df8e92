"""Every rendered object against the schemas of the three newest Kubernetes versions, as a server of that version would check it."""

import json
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from kubernetes_validate import utils
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from .conftest import INFRA, Objects

NEWEST = sorted({utils.major_minor(version) for version in utils.all_versions()}, key=lambda each: int(each.split(".")[1]))[-3:]
OPERATORS = {"ServiceMonitor", "PrometheusRule", "TrainingRuntime", "TrainJob"}
"""Kinds that Kubernetes itself does not know."""


@cache
def definitions(version: str) -> tuple[Path, Registry[Any]]:
    folder = Path(str(resources.files("kubernetes_validate"))) / "kubernetes-json-schema" / f"v{version}.0-local-strict"
    contents = json.loads((folder / "_definitions.json").read_text())
    resource = Resource.from_contents(contents, default_specification=DRAFT202012)
    return folder, Registry().with_resource("_definitions.json", resource).with_resource(
        resource.id() or "_definitions.json", resource
    )


@cache
def validator(kind: str, api: str, version: str) -> Draft202012Validator:
    folder, registry = definitions(version)
    group, _, own = api.rpartition("/")
    path = folder / f"{kind.lower()}-{f'{group.split(chr(46))[0]}-' if group else ''}{own}.json"
    assert path.is_file(), f"Kubernetes {version} has no {kind} of {api}"
    return Draft202012Validator(json.loads(path.read_text()), registry=registry)


def complaints(thing: dict[str, Any], version: str) -> list[str]:
    found = validator(thing["kind"], thing["apiVersion"], version).iter_errors(thing)
    where = f"{thing['kind']} {thing['metadata']['name']}"
    return [f"{where}: {'.'.join(map(str, error.path))}: {error.message}" for error in found]


def test_there_are_three_versions() -> None:
    assert len(NEWEST) == 3


@pytest.mark.parametrize("version", NEWEST)
def test_kubernetes_takes_every_object(objects: Objects, version: str) -> None:
    checked = [each for each in objects if each["kind"] not in OPERATORS]
    assert len(checked) > 15
    assert [complaint for each in checked for complaint in complaints(each, version)] == []


@pytest.mark.parametrize("version", NEWEST)
def test_the_pods_of_a_train_job_are_pods(version: str) -> None:
    runtime, _ = yaml.safe_load_all((INFRA / "kubernetes" / "trainjob.yaml").read_text())
    [job] = runtime["spec"]["template"]["spec"]["replicatedJobs"]
    as_job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "node"}, "spec": job["template"]["spec"]}
    assert complaints(as_job, version) == []


def test_a_mistake_is_found(objects: Objects) -> None:
    service = next(each for each in objects if each["kind"] == "Service")
    wrong = {**service, "spec": {**service["spec"], "ports": [{"port": "8500"}], "selectors": {}}}
    assert len(complaints(wrong, NEWEST[-1])) >= 2
