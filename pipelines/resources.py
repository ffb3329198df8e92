"""What each step asks of a cluster, and the image that it runs in. A laptop (`kfp.local`) ignores what it asks for."""

from collections.abc import Mapping
from dataclasses import dataclass

from kfp import dsl, kubernetes

from pipelines.scheduling import Scheduling


@dataclass(frozen=True)
class Placement:
    """The `images` of the steps: one of all, or the references of `data`, `trainer` and `trainer-gpu`; and how they are run."""

    images: str | Mapping[str, str]
    scheduling: Scheduling = Scheduling()  # noqa: RUF009 - frozen


# Images alone are run as by default.
Images = str | Mapping[str, str] | Placement


@dataclass(frozen=True)
class Resources:
    """Kubernetes quantities of one step: `cpu` cores, `memory`, `shm` for /dev/shm (64 MB unless set); and its `image`."""

    cpu: str
    memory: str
    shm: str = ""
    image: str = "trainer"


STEPS = {
    "ingest": Resources(cpu="4", memory="4Gi", image="data"),
    "shard": Resources(cpu="2", memory="4Gi", image="data"),
    "sanity": Resources(cpu="8", memory="16Gi", shm="4Gi"),
    "train": Resources(cpu="8", memory="16Gi", shm="4Gi"),
    "tune": Resources(cpu="8", memory="16Gi", shm="4Gi"),
    "best": Resources(cpu="1", memory="2Gi"),
    "export": Resources(cpu="2", memory="4Gi"),
    "find_champion": Resources(cpu="1", memory="2Gi"),
    "evaluate": Resources(cpu="4", memory="8Gi"),
    "validate": Resources(cpu="2", memory="6Gi"),
    "deploy": Resources(cpu="1", memory="2Gi"),
    "list_photos": Resources(cpu="1", memory="2Gi", image="data"),
    "predict": Resources(cpu="4", memory="8Gi"),
    "collect": Resources(cpu="1", memory="4Gi"),
    "monitor": Resources(cpu="2", memory="4Gi"),
    "raise_alarm": Resources(cpu="1", memory="1Gi"),
}


def place(task: dsl.PipelineTask, step: str, images: Images, gpus: int = 0, retries: int = 0) -> dsl.PipelineTask:
    """Gives `task` its image of `images` and what `step` asks for; `gpus` only where a step can use them."""
    placement = images if isinstance(images, Placement) else Placement(images)
    wanted = STEPS[step]
    name = f"{wanted.image}-gpu" if gpus else wanted.image
    task.set_container_image(placement.images if isinstance(placement.images, str) else placement.images[name])
    task.set_cpu_request(wanted.cpu).set_cpu_limit(wanted.cpu)
    task.set_memory_request(wanted.memory).set_memory_limit(wanted.memory)
    if wanted.shm:
        kubernetes.empty_dir_mount(task, "shm", "/dev/shm", medium="Memory", size_limit=wanted.shm)
    placement.scheduling.apply(task, gpus, retries)
    return task
