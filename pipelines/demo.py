"""The whole way on one machine: compile, run, serve, ask. Leaves report, answers and `summary.json` in one folder."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console

from components.common.dataset import open_dataset
from components.common.errors import UserError
from components.common.evaluation import PUBLISHED
from components.common.repository import CONFIG, STABLE
from components.common.storage import without_secrets
from components.deploy.champion import NONE, find
from components.validate.server import NotStartedError, serving
from pipelines.compile import compile_training, default_image
from pipelines.parameters import collect, read_types
from pipelines.push import MODEL_NAME
from pipelines.resources import Images
from pipelines.run import Result, run_locally

SERVER_START_S = 120.0
PHOTOS = 3
SUMMARY_METRICS = ("classes", "top1", "top5", "mean_iou", "mean_box_iou_baseline", "intervals", "blessed", "missed", "override")
SHOWN = {"top1": "top-1", "top5": "top-5", "mean_iou": "mean IoU"}


class Machine(Protocol):
    """Where steps, server and client of a demo run.

    Attributes:
        images: of the steps.
    """

    images: Images

    def run(self, pipeline: Path, parameters: dict[str, Any], folder: Path) -> Result:
        """Runs a compiled pipeline, as `run_locally`."""
        ...

    def ask(self, repository: Path, photos: Sequence[Path], folder: Path) -> None:
        """Serves the repository, and prints what the model says of the photos; leaves them, boxes drawn, in `folder/answers`."""
        ...


class Here:
    """All as processes of this Python."""

    def __init__(self) -> None:
        self.images: Images = default_image()

    def run(self, pipeline: Path, parameters: dict[str, Any], folder: Path) -> Result:
        return run_locally(pipeline, parameters, folder)

    def ask(self, repository: Path, photos: Sequence[Path], folder: Path) -> None:
        with _server(repository, folder) as address:
            _ask(address, photos, folder / "answers")


def run_demo(source: str, preset_name: str, settings: list[str], folder: Path, machine: Machine | None = None) -> None:
    """Runs the pipeline on `source`, serves the model, asks it about three test photos and writes `folder/summary.json`.

    Raises:
        UserError: a step failed, the model was refused, or the server did not start or answer.
    """
    began = time.monotonic()
    console = Console(highlight=False, soft_wrap=True)
    pipeline = folder / "training.yaml"
    machine = machine or Here()
    compile_training(pipeline, machine.images)
    console.print(f"compiled {pipeline}")
    repository = folder.absolute() / "models"
    parameters = collect(source, str(repository), preset_name, settings, read_types(pipeline))
    if _is_of_other_photos(find(str(repository), MODEL_NAME), parameters["source"]):
        parameters = {"champion": NONE, **parameters}
        console.print("no champion: the model that is deployed in this folder is of another source")
    shutil.rmtree(folder / "answers", ignore_errors=True)
    result = machine.run(pipeline, parameters, folder)
    figures = json.loads((result.evaluation / "metrics.json").read_text("utf-8"))
    report = shutil.copyfile(result.evaluation / "report.html", folder / "report.html")
    if result.blessed:
        machine.ask(repository, _photos(result, folder / "photos"), folder)
    summary = {
        "source": without_secrets(source),
        "test_photos": figures["photos"],
        **{name: figures[name] for name in SUMMARY_METRICS},
        "pipeline_s": round(result.seconds, 1),
        "total_s": round(time.monotonic() - began, 1),
        "dataset": str(result.dataset),
        "evaluation": str(result.evaluation),
        "report": str(report),
    }
    (folder / "summary.json").write_text(json.dumps(summary, indent=1, ensure_ascii=False), "utf-8")
    console.print(
        f"\n{summary['test_photos']} test photos of {summary['classes']} classes (in brackets 95% intervals): "
        f"{', '.join(_with_interval(figures, name, words) for name, words in SHOWN.items())} "
        f"(always the mean box: {summary['mean_box_iou_baseline']:.3f})\n"
        f"pipeline {summary['pipeline_s']:.0f} s, all {summary['total_s']:.0f} s"
        f"{', reused: ' + ', '.join(result.reused) if result.reused else ''}\n"
        f"report   {report}\n"
        f"{'answers  ' + str(folder / 'answers') + chr(10) if result.blessed else ''}"
        f"summary  {folder / 'summary.json'}"
    )
    if figures["override"]:
        console.print(f"let through against the verdict: {figures['override']}", markup=False)
    if not result.blessed:
        raise UserError(f"the model was refused, nothing was deployed: {' '.join(figures['missed'])} See {report}")


def _is_of_other_photos(version: str, source: str) -> bool:
    """Whether a published version is there, and was not evaluated on photos of `source`."""
    card = Path(version) / PUBLISHED["model_card.json"]
    return bool(version) and (not card.exists() or json.loads(card.read_text("utf-8"))["data"]["source"] != without_secrets(source))


def _with_interval(figures: dict[str, Any], name: str, words: str) -> str:
    low, high = figures["intervals"][name]
    return f"{words} {figures[name]:.3f} [{low:.3f} to {high:.3f}]"


def _photos(result: Result, folder: Path) -> list[Path]:
    dataset = open_dataset(result.dataset)
    test = dataset.split("test").sort_values("label", kind="stable")
    chosen = test.iloc[[len(test) * (2 * i + 1) // (2 * PHOTOS) for i in range(PHOTOS)]]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    paths = []
    for label, file, photo in zip(chosen["label"], chosen["file"], dataset.photos(chosen), strict=True):
        paths.append(folder / f"{dataset.classes[label].replace('/', '-')} {Path(file).stem}.jpg")
        paths[-1].write_bytes(photo)
    return paths


@contextmanager
def _server(repository: Path, folder: Path) -> Iterator[str]:
    """The address of a server of what the label stable points to, and of all else that the repository's config loads."""
    log = folder / "server.log"
    try:
        with serving([f"--config={repository / CONFIG}"], time.monotonic() + SERVER_START_S, log) as server:
            yield server.address
    except NotStartedError as error:
        raise UserError(f"the server did not start within {SERVER_START_S:.0f} s: {error}; see {log}") from None


def _ask(address: str, photos: Sequence[Path], answers: Path) -> None:
    command = [sys.executable, "-m", "serving", "predict", *map(str, photos), f"--server={address}", f"--label={STABLE}"]
    command += [f"--save={answers}", "--top=3"]
    if subprocess.run(command, check=False).returncode:
        raise UserError(f"the server at {address} did not answer the client")
