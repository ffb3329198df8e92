"""Each step of a compiled pipeline in a container of its image, on this machine: kfp.local's DockerRunner over docker or podman.

A container runs as the images' user with a read-only root, no capability and no way to get one. It sees the folder of the run, and
the files that its parameters name, to read them.
"""

import codecs
import os
import resource
import uuid
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import requests
from kfp import local
from kfp.local import docker_task_handler

from components.common.errors import UserError
from pipelines.images.engine import SECURITY, Engine, hand_over
from pipelines.signals import signals_end_it

LABEL = "marque.run"
# What steps write, of the folder of a run.
WRITTEN = ("artifacts", "checkpoints", "models")
SHM = "1g"
TASKS = 4096


@contextmanager
def runner(engine: Engine, root: Path, parameters: Mapping[str, Any]) -> Iterator[local.DockerRunner]:
    """A runner for `pipelines.run`, whose containers are gone when the body ends, by an error, Ctrl-C, SIGTERM or SIGHUP too.

    Args:
        root: of the run; its path is the same inside.
        parameters: of the pipeline; files and folders that they name are mounted to be read.

    Raises:
        UserError: the engine's API does not answer.
    """
    for name in WRITTEN:
        hand_over(root / name)
    run = uuid.uuid4().hex
    volumes = {str(root.absolute()): {"bind": str(root.absolute()), "mode": "rw"}}
    for path in _named_files(parameters):
        if not path.is_relative_to(root.absolute()):
            volumes[str(path)] = {"bind": str(path), "mode": "ro"}
    settings = {
        "read_only": True,
        "tmpfs": {"/tmp": "mode=1777"},  # noqa: S108 - inside the container
        "cap_drop": ["ALL"],
        "security_opt": list(SECURITY),
        "shm_size": SHM,
        "labels": {LABEL: run},
        # podman would raise its own limits, which a machine that is itself a guest forbids, and its API reads no containers.conf
        **({"ulimits": _limits()} if engine.name == "podman" else {}),
        **engine.user,
    }

    def run_container(client: docker.DockerClient, image: str, command: list[str], **given: Any) -> int:
        # kfp's own takes a container that the engine has removed by the time it asks for one that ended well.
        try:
            container = client.containers.run(image, command, detach=True, **{**given, "volumes": volumes})
        except docker.errors.DockerException as error:
            raise UserError(f"{engine.name} could not start a container of {image}: {error}") from None
        text = codecs.getincrementaldecoder("utf-8")("replace")
        try:
            for part in container.logs(stream=True, follow=True):
                print(text.decode(part), end="")  # noqa: T201 - this is how kfp.local tells its log
            return int(container.wait()["StatusCode"])
        except (docker.errors.DockerException, requests.RequestException) as error:
            raise UserError(f"{engine.name} lost the container of {image}: {error}") from None

    with signals_end_it(), engine.api() as address, _replaced(os.environ, "DOCKER_HOST", address):
        try:
            client = docker.from_env()
        except docker.errors.DockerException as error:
            raise UserError(f"{engine.name}: its API at {address} does not answer: {error}") from None
        try:
            with _replaced(vars(docker_task_handler), "run_docker_container", run_container):
                yield local.DockerRunner(**settings)
        finally:
            for container in client.containers.list(all=True, filters={"label": f"{LABEL}={run}"}):
                container.remove(force=True)
            client.close()


@contextmanager
def _replaced(mapping: MutableMapping[str, Any], name: str, value: Any) -> Iterator[None]:
    before = mapping.get(name)
    mapping[name] = value
    try:
        yield
    finally:
        if before is None:
            del mapping[name]
        else:
            mapping[name] = before


def _limits() -> list[docker.types.Ulimit]:
    files, tasks = (resource.getrlimit(which)[1] for which in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC))
    most = TASKS if tasks == resource.RLIM_INFINITY else min(TASKS, tasks)
    return [docker.types.Ulimit(name="nofile", soft=1024, hard=files), docker.types.Ulimit(name="nproc", soft=most, hard=most)]


def _named_files(value: Any) -> list[Path]:
    if isinstance(value, Mapping):
        return [path for each in value.values() for path in _named_files(each)]
    return [Path(value)] if isinstance(value, str) and value.startswith("/") and Path(value).exists() else []
