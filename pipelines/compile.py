"""Writes a pipeline as the YAML that every runner takes: this machine, a Kubeflow cluster, Vertex."""

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from kfp import compiler

from components.common.whole import whole_file
from pipelines.training import training_pipeline
from pipelines.tuning import tuning_pipeline


def default_image() -> str:
    """The image's name, tagged with the version and a hash of the steps' code: kfp's cache tells runs apart by it."""
    steps = Path(__file__).parents[1] / "components"
    digest = hashlib.sha256()
    for path in sorted(path for path in steps.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        digest.update(f"{path.relative_to(steps)}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return f"marque:{metadata.version('marque')}-{digest.hexdigest()[:12]}"


def compile_training(output: Path, image: str, *, shard_tasks: int = 2, gpus: int = 0, retries: int = 0) -> None:
    """Compiles the training pipeline into `output`: two YAML documents, the graph and what it asks of Kubernetes."""
    _compile(training_pipeline(image, shard_tasks=shard_tasks, gpus=gpus, retries=retries), output)


def compile_tuning(
    output: Path, image: str, *, shard_tasks: int = 2, workers: int = 2, gpus: int = 0, retries: int = 0, study_volume: str = ""
) -> None:
    """Compiles the tuning pipeline likewise."""
    _compile(
        tuning_pipeline(image, shard_tasks=shard_tasks, workers=workers, gpus=gpus, retries=retries, study_volume=study_volume),
        output,
    )


def _compile(pipeline: Callable[..., Any], output: Path) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, whole_file(output) as partial:
        compiler.Compiler().compile(pipeline, f"{scratch}/pipeline.yaml")
        shutil.copyfile(f"{scratch}/pipeline.yaml", partial)
