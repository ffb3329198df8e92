"""Writes a pipeline as the YAML that every runner takes: this machine, a Kubeflow cluster, Vertex."""

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from kfp import compiler

import components
import serving
from components.common.fingerprint import fingerprint
from components.common.whole import whole_file
from pipelines.batch import batch_pipeline
from pipelines.monitoring import monitoring_pipeline
from pipelines.resources import Images
from pipelines.training import training_pipeline
from pipelines.tuning import tuning_pipeline


def default_image() -> str:
    """A name for steps that run without containers: the version and a hash of their code, so that kfp's cache tells runs apart."""
    digest = hashlib.sha256()
    for package in (components, serving):  # no step runs the app
        digest.update(fingerprint(Path(package.__path__[0]), without=("__pycache__", "app")).encode())
    return f"marque:{metadata.version('marque')}-{digest.hexdigest()[:12]}"


def compile_training(output: Path, images: Images, *, shard_tasks: int = 2, gpus: int = 0, retries: int = 0) -> None:
    """Compiles the training pipeline into `output`: two YAML documents, the graph and what it asks of Kubernetes."""
    _compile(training_pipeline(images, shard_tasks=shard_tasks, gpus=gpus, retries=retries), output)


def compile_tuning(
    output: Path, images: Images, *, shard_tasks: int = 2, workers: int = 2, gpus: int = 0, retries: int = 0, study_volume: str = ""
) -> None:
    """Compiles the tuning pipeline likewise."""
    _compile(
        tuning_pipeline(images, shard_tasks=shard_tasks, workers=workers, gpus=gpus, retries=retries, study_volume=study_volume),
        output,
    )


def compile_batch(output: Path, images: Images, *, tasks: int = 2, retries: int = 0) -> None:
    """Compiles the batch pipeline likewise."""
    _compile(batch_pipeline(images, tasks=tasks, retries=retries), output)


def compile_monitoring(output: Path, images: Images) -> None:
    """Compiles the monitoring pipeline likewise."""
    _compile(monitoring_pipeline(images), output)


def _compile(pipeline: Callable[..., Any], output: Path) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, whole_file(output) as partial:
        compiler.Compiler().compile(pipeline, f"{scratch}/pipeline.yaml")
        shutil.copyfile(f"{scratch}/pipeline.yaml", partial)
