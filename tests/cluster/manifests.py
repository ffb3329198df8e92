"""The objects that the cluster's tests make."""

from collections.abc import Sequence
from typing import Any

USER = {
    "runAsNonRoot": True,
    "runAsUser": 10001,
    "runAsGroup": 10001,
    "fsGroup": 10001,
    "seccompProfile": {"type": "RuntimeDefault"},
}
HARDENED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


def namespace(name: str) -> dict[str, Any]:
    labels = {"marque/test": "true", "pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def claim(space: str) -> dict[str, Any]:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "5Gi"}}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "work", "namespace": space}, "spec": spec}


def job(
    name: str,
    space: str,
    image: str,
    command: Sequence[str],
    *,
    volumes: dict[str, str] | None = None,
    memory: str = "2Gi",
) -> dict[str, Any]:
    """A Job of one hardened pod that is not tried again; `volumes` are claims by the path where they are mounted."""
    mounts = volumes or {}
    container = {
        "name": "step",
        "image": image,
        "imagePullPolicy": "Always",  # a tag may stay the same while the code changes
        "command": list(command),
        "env": [{"name": "HOME", "value": "/tmp"}],
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"cpu": "4", "memory": memory}},
        "securityContext": HARDENED,
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},
            *({"name": claim, "mountPath": path} for path, claim in mounts.items()),
        ],
    }
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": USER,
        "containers": [container],
        "volumes": [
            {"name": "tmp", "emptyDir": {}},
            *({"name": claim, "persistentVolumeClaim": {"claimName": claim}} for claim in mounts.values()),
        ],
    }
    metadata = {"name": name, "namespace": space}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"backoffLimit": 0, "template": {"spec": pod}}}
