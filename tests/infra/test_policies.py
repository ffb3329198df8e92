"""What every rendered object keeps to: pinned images, limits, no privilege, no token, narrow roles."""

import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest
import yaml

from .conftest import INFRA, Objects, named

DIGEST_OR_TAG = re.compile(r"[^\s:]+(:\d+)?(/[^\s:]+)*(:(?!latest\b)[\w][\w.-]*(@sha256:[0-9a-f]{64})?|@sha256:[0-9a-f]{64})")
LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
LABEL_VALUE = re.compile(r"|[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
CLUSTER_WIDE = {"Namespace", "PersistentVolume"}


def pods(objects: Objects) -> Iterator[tuple[str, dict[str, Any]]]:
    for each in objects:
        if each["kind"] in ("Deployment", "StatefulSet", "DaemonSet", "Job"):
            yield each["metadata"]["name"], each["spec"]["template"]


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]


def pod_complaints(name: str, template: dict[str, Any]) -> list[str]:
    """What a pod does that none should."""
    spec, found = template["spec"], []
    context = spec.get("securityContext", {})
    if not context.get("runAsNonRoot") or not context.get("runAsUser"):
        found.append("may run as root")
    if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        found.append("has all system calls")
    if spec.get("automountServiceAccountToken") is not False or spec.get("serviceAccountName", "default") == "default":
        found.append("has a token of the cluster's, or the namespace's default account")
    if any(spec.get(flag) for flag in ("hostNetwork", "hostPID", "hostIPC")):
        found.append("is in the node's namespaces")
    if any("hostPath" in volume for volume in spec.get("volumes", [])):
        found.append("mounts the node's disk")
    for container in containers(template):
        own, resources = container.get("securityContext", {}), container.get("resources", {})
        if not DIGEST_OR_TAG.fullmatch(container["image"]):
            found.append(f"runs {container['image']}, which is not pinned")
        if (
            own.get("allowPrivilegeEscalation") is not False
            or own.get("privileged")
            or own.get("capabilities", {}).get("drop") != ["ALL"]
        ):
            found.append(f"{container['name']} has privileges")
        if own.get("capabilities", {}).get("add"):
            found.append(f"{container['name']} adds capabilities")
        if own.get("readOnlyRootFilesystem") is not True:
            found.append(f"{container['name']} may write to its root")
        for share in ("requests", "limits"):
            if not {"cpu", "memory"} <= resources.get(share, {}).keys():
                found.append(f"{container['name']} has no {share}")
    return [f"{name} {what}" for what in found]


def test_pods_are_hardened(objects: Objects) -> None:
    checked = list(pods(objects))
    assert {name for name, _ in checked} == {"tf-serving", "marque-app"}
    assert [complaint for name, template in checked for complaint in pod_complaints(name, template)] == []


def test_the_pods_of_a_train_job_are_hardened() -> None:
    runtime, train_job = yaml.safe_load_all((INFRA / "kubernetes" / "trainjob.yaml").read_text())
    [node] = runtime["spec"]["template"]["spec"]["replicatedJobs"]
    assert pod_complaints("node", node["template"]["spec"]["template"]) == []
    assert train_job["spec"]["runtimeRef"]["name"] == runtime["metadata"]["name"]


BROKEN: dict[str, Callable[[dict[str, Any]], object]] = {
    "root": lambda spec: spec["securityContext"].pop("runAsNonRoot"),
    "system calls": lambda spec: spec["securityContext"].pop("seccompProfile"),
    "token": lambda spec: spec.update(automountServiceAccountToken=True),
    "node's namespaces": lambda spec: spec.update(hostPID=True),
    "node's disk": lambda spec: spec["volumes"].append({"name": "disk", "hostPath": {"path": "/"}}),
    "not pinned": lambda spec: spec["containers"][0].update(image="tensorflow/serving:latest"),
    "privileges": lambda spec: spec["containers"][0]["securityContext"].update(privileged=True),
    "capabilities": lambda spec: spec["containers"][0]["securityContext"]["capabilities"].update(add=["SYS_ADMIN"]),
    "write to its root": lambda spec: spec["initContainers"][0]["securityContext"].pop("readOnlyRootFilesystem"),
    "no limits": lambda spec: spec["containers"][0]["resources"]["limits"].pop("memory"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_each_policy_bites(render: Callable[[str], Objects], what: str) -> None:
    template = deepcopy(named(render("kind"), "Deployment", "tf-serving")["spec"]["template"])
    BROKEN[what](template["spec"])
    [complaint] = pod_complaints("tf-serving", template)
    assert what in complaint


def test_nothing_is_unpinned_that_looks_pinned() -> None:
    for image in ("tensorflow/serving", "serving:latest", "registry.test:5000/marque", "a/b:latest"):
        assert not DIGEST_OR_TAG.fullmatch(image)
    for image in ("tensorflow/serving:2.19.1", "registry.test:5000/marque:1", "a/b@sha256:" + "0" * 64):
        assert DIGEST_OR_TAG.fullmatch(image)


def test_no_role_is_wide(objects: Objects) -> None:
    assert not [each for each in objects if each["kind"] in ("ClusterRole", "ClusterRoleBinding", "Secret")]
    rules = [rule for each in objects if each["kind"] == "Role" for rule in each["rules"]]
    assert rules
    for rule in rules:
        words = [word for words in rule.values() for word in words]
        assert "*" not in words
        assert not {"pods/exec", "escalate", "bind", "impersonate"} & set(words)
        if "secrets" in rule["resources"]:
            assert rule["resourceNames"]
            assert rule["verbs"] == ["get"]


def test_namespaces_quotas_and_labels(objects: Objects) -> None:
    for each in objects:
        assert (each["kind"] in CLUSTER_WIDE) == ("namespace" not in each["metadata"]), each["metadata"]["name"]
        for key, value in each["metadata"].get("labels", {}).items():
            assert LABEL_KEY.fullmatch(key)
            assert LABEL_VALUE.fullmatch(value)
    for namespace, level in (("marque-serving", "restricted"), ("kubeflow", "baseline")):
        assert named(objects, "Namespace", namespace)["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == level
    assert {each["metadata"]["namespace"] for each in objects if each["kind"] in ("ResourceQuota", "LimitRange")} == {"kubeflow"}


def test_what_refers_to_something_refers_to_something(objects: Objects) -> None:
    there = {(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in objects}
    for each in objects:
        namespace, spec = each["metadata"].get("namespace"), each.get("spec", {})
        if each["kind"] == "Deployment":
            pod = spec["template"]["spec"]
            assert ("ServiceAccount", namespace, pod["serviceAccountName"]) in there
            assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
            for volume in pod["volumes"]:
                if "configMap" in volume:
                    assert ("ConfigMap", namespace, volume["configMap"]["name"]) in there
                if "persistentVolumeClaim" in volume:
                    assert ("PersistentVolumeClaim", namespace, volume["persistentVolumeClaim"]["claimName"]) in there
            mounted = {mount["name"] for container in containers(spec["template"]) for mount in container["volumeMounts"]}
            assert mounted == {volume["name"] for volume in pod["volumes"]}
        if each["kind"] == "PersistentVolumeClaim":
            [volume] = [other for other in objects if other["metadata"]["name"] == spec["volumeName"]]
            assert volume["spec"]["claimRef"] == {"name": each["metadata"]["name"], "namespace": namespace}
        if each["kind"] == "HorizontalPodAutoscaler":
            assert ("Deployment", namespace, spec["scaleTargetRef"]["name"]) in there


def test_where_an_autoscaler_rules_no_replicas_are_set(objects: Objects) -> None:
    scaled = {each["spec"]["scaleTargetRef"]["name"] for each in objects if each["kind"] == "HorizontalPodAutoscaler"}
    for each in objects:
        if each["kind"] == "Deployment":
            assert (each["metadata"]["name"] in scaled) == ("replicas" not in each["spec"])
