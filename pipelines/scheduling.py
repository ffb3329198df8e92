"""Where and how a cluster runs the steps: on which nodes, with which volumes and secrets, for how long.

It is said when a pipeline is compiled, once for all its steps; what belongs to a step (cores, memory) is in `pipelines.resources`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, TypeVar

import click

from components.common.errors import UserError

V = TypeVar("V")
GPU = "nvidia.com/gpu"
SPOT = "cloud.google.com/gke-spot"
SPOT_RETRIES = 5
UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
MAX_TIMEOUT_S = 2**31 - 1
EFFECTS = "NoSchedule|NoExecute|PreferNoSchedule"
NAME = "[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?"
VALUE = "[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
LABEL = f"(?:{NAME}/)?{VALUE}"
PATH = "/[^:\\s]*[^:\\s/]/?"
FORMS = {
    "--gpu-type": (f"({LABEL})", "a GPU's name"),
    "--gpu-node": (f"({LABEL})=((?:{VALUE})?)", "LABEL=[VALUE]"),
    "--node": (f"({LABEL})=((?:{VALUE})?)", "LABEL=[VALUE]"),
    "--tolerate": (f"({LABEL})(?:=({VALUE}))?(?::({EFFECTS}))?", f"KEY[=VALUE][:{EFFECTS}]"),
    "--volume": (f"({NAME}):({PATH})", "CLAIM:PATH with an absolute path"),
    "--secret-env": (f"([A-Za-z_][A-Za-z0-9_]*)=({NAME}):([A-Za-z0-9_.-]+)", "VARIABLE=SECRET:KEY"),
    "--secret-volume": (f"({NAME}):({PATH})", "SECRET:PATH with an absolute path"),
    "--pull-secret": (f"({NAME})", "a secret's name"),
    "--study-volume": (f"({NAME})", "a claim's name"),
    "--image": ("([A-Za-z0-9_./:@-]+)", "an image's reference"),
}
"""Of each option: what its parts may be made of, as in Kubernetes, and its form in words."""


@dataclass(frozen=True)
class Scheduling:
    """What a cluster is told of every step, and of those with a GPU.

    Attributes:
        gpu_type: the resource that a GPU is, `nvidia.com/gpu` on Kubernetes, such as NVIDIA_L4 on Vertex.
        gpu_nodes, nodes: labels that a node has to have, for the steps with a GPU and for the others.
        tolerations: taints that no step minds: (key, value, effect); "" for any.
        spot: steps with a GPU may run on nodes that can be taken away (GKE's taint for them), and are tried again.
        timeout_s: a step that takes longer has failed; 0 for no end.
        volumes: paths of claims that every step mounts.
        secret_env: variables of every step, from a key of a secret: variable -> (secret, key).
        secret_volumes: paths of secrets that every step mounts.
        pull_policy, pull_secret: how images are pulled; "" as the cluster does by default.
    """

    gpu_type: str = GPU
    gpu_nodes: Mapping[str, str] = field(default_factory=dict)
    nodes: Mapping[str, str] = field(default_factory=dict)
    tolerations: Sequence[tuple[str, str, str]] = ()
    spot: bool = False
    timeout_s: int = 0
    volumes: Mapping[str, str] = field(default_factory=dict)
    secret_env: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    secret_volumes: Mapping[str, str] = field(default_factory=dict)
    pull_policy: str = ""
    pull_secret: str = ""

    def apply(self, task: Any, gpus: int, retries: int) -> None:
        """Tells kfp's `task` all of it; a lost node or pod is followed by up to `retries` tries, with longer and longer waits."""
        from kfp import kubernetes

        if gpus:
            task.set_accelerator_type(self.gpu_type).set_accelerator_limit(gpus)
            kubernetes.add_toleration(task, key=GPU, operator="Exists", effect="NoSchedule")
            if self.spot:
                kubernetes.add_toleration(task, key=SPOT, operator="Equal", value="true", effect="NoSchedule")
                retries = retries or SPOT_RETRIES
        for label, value in (self.gpu_nodes if gpus else self.nodes).items():
            kubernetes.add_node_selector(task, label, value)
        for key, value, effect in self.tolerations:
            operator = "Equal" if value else "Exists"
            kubernetes.add_toleration(task, key=key, operator=operator, value=value or None, effect=effect or None)
        for path, claim in self.volumes.items():
            kubernetes.mount_pvc(task, claim, path)
        for variable, (secret, key) in self.secret_env.items():
            kubernetes.use_secret_as_env(task, secret, {key: variable})
        for path, secret in self.secret_volumes.items():
            kubernetes.use_secret_as_volume(task, secret, path)
        if self.pull_policy:
            kubernetes.set_image_pull_policy(task, self.pull_policy)
        if self.pull_secret:
            kubernetes.set_image_pull_secrets(task, [self.pull_secret])
        if self.timeout_s:
            kubernetes.set_timeout(task, self.timeout_s)
        if retries:
            task.set_retry(retries, backoff_duration="30s", backoff_factor=2.0, backoff_max_duration="600s")


OPTIONS = [
    click.option("--gpu-type", default=GPU, show_default=True, help="What a GPU is called; on Vertex such as NVIDIA_L4."),
    click.option("--gpu-node", "gpu_nodes", multiple=True, metavar="LABEL=[VALUE]", help="A label of nodes for steps with a GPU."),
    click.option("--node", "nodes", multiple=True, metavar="LABEL=[VALUE]", help="A label of nodes for the other steps."),
    click.option("--tolerate", "tolerations", multiple=True, metavar="KEY[=VALUE][:EFFECT]", help="A taint that no step minds."),
    click.option("--spot", is_flag=True, help=f"GPU steps may be on GKE's spot nodes, with {SPOT_RETRIES} retries."),
    click.option("--timeout", default="", metavar="DURATION", help="A step that takes longer has failed: 90m, 12h, 2d."),
    click.option("--volume", "volumes", multiple=True, metavar="CLAIM:PATH", help="A claim that steps mount."),
    click.option("--secret-env", multiple=True, metavar="VARIABLE=SECRET:KEY", help="A variable of every step, from a secret."),
    click.option("--secret-volume", "secret_volumes", multiple=True, metavar="SECRET:PATH", help="A secret that steps mount."),
    click.option("--pull-policy", type=click.Choice(["Always", "IfNotPresent", "Never"]), help="When nodes pull the images."),
    click.option("--pull-secret", default="", help="The secret with the registry's login."),
]  # fmt: skip


def scheduling_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options of `read` to a command."""
    return reduce(lambda decorated, option: option(decorated), reversed(OPTIONS), command)


def read(
    gpu_type: str,
    gpu_nodes: Sequence[str],
    nodes: Sequence[str],
    tolerations: Sequence[str],
    spot: bool,
    timeout: str,
    volumes: Sequence[str],
    secret_env: Sequence[str],
    secret_volumes: Sequence[str],
    pull_policy: str | None,
    pull_secret: str,
) -> Scheduling:
    """The scheduling that the options describe.

    Raises:
        UserError: one is not of its form.
    """
    return Scheduling(
        gpu_type=parts("--gpu-type", gpu_type)[0],
        gpu_nodes=_labels("--gpu-node", gpu_nodes),
        nodes=_labels("--node", nodes),
        tolerations=tuple((key, value, effect) for key, value, effect in (parts("--tolerate", each) for each in tolerations)),
        spot=spot,
        timeout_s=_seconds(timeout),
        volumes=_mounts("--volume", volumes),
        secret_env=_once(
            "--secret-env",
            [(variable, (secret, key)) for variable, secret, key in (parts("--secret-env", each) for each in secret_env)],
        ),
        secret_volumes=_mounts("--secret-volume", secret_volumes),
        pull_policy=pull_policy or "",
        pull_secret=parts("--pull-secret", pull_secret)[0] if pull_secret else "",
    )


def parts(option: str, text: str) -> tuple[str, ...]:
    """What an option of `FORMS` is made of, "" for what is left out.

    Raises:
        UserError: it is not of that form.
    """
    pattern, form = FORMS[option]
    match = re.fullmatch(pattern, text)
    if not match:
        raise UserError(f"{option}: expected {form}, in characters that Kubernetes takes, received {text!r}")
    return tuple(part or "" for part in match.groups())


def _once(option: str, pairs: Sequence[tuple[str, V]]) -> dict[str, V]:
    names = [name for name, _ in pairs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"{option}: expected {twice[0]} once, received it {names.count(twice[0])} times")
    return dict(pairs)


def _labels(option: str, texts: Sequence[str]) -> dict[str, str]:
    return _once(option, [(label, value) for label, value in (parts(option, text) for text in texts)])


def _mounts(option: str, texts: Sequence[str]) -> dict[str, str]:
    return _once(option, [(path.rstrip("/"), name) for name, path in (parts(option, text) for text in texts)])


def _seconds(text: str) -> int:
    if not text:
        return 0
    match = re.fullmatch(r"([1-9]\d{0,9})([smhd])", text)
    seconds = int(match[1]) * UNITS_S[match[2]] if match else 0
    if not 0 < seconds <= MAX_TIMEOUT_S:
        raise UserError(
            f"--timeout: expected a whole number with s, m, h or d, such as 12h, at most {MAX_TIMEOUT_S}s, received {text!r}"
        )
    return seconds
