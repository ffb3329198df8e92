"""The batch pipeline: its graph, and a run by kfp.local that is killed and run again."""

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from click.testing import CliRunner
from PIL import Image

from pipelines.__main__ import main
from pipelines.compile import compile_batch

GOLDEN = Path(__file__).with_name("batch.golden.yaml")
START_S = 240.0


def compiled(path: Path, **options: int) -> list[dict[str, Any]]:
    compile_batch(path, "marque:golden", **options)
    return list(yaml.safe_load_all(path.read_text()))


def without_bodies(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The documents less the steps' source code, which changes without the graph's changing."""
    for executor in documents[0]["deploymentSpec"]["executors"].values():
        executor["container"]["command"] = executor["container"]["command"][:-1]
    return documents


def tasks(graph: dict[str, Any]) -> dict[str, dict[str, Any]]:
    inner = [part["dag"]["tasks"] for part in graph["components"].values() if "dag" in part]
    return {name: task for found in [graph["root"]["dag"]["tasks"], *inner] for name, task in found.items()}


def test_the_graph_is_the_golden_one(tmp_path: Path) -> None:
    documents = without_bodies(compiled(tmp_path / "batch.yaml"))
    assert documents == list(yaml.safe_load_all(GOLDEN.read_text())), (
        "the graph has changed; if it was meant to, write the golden file anew with `python tests/pipelines/test_batch.py`"
    )


def test_no_step_is_ever_taken_from_the_cache(tmp_path: Path) -> None:
    (graph,) = compiled(tmp_path / "batch.yaml")
    for name in ("list-photos", "predict", "collect"):
        assert not tasks(graph)[name].get("cachingOptions", {}).get("enableCache")


def test_as_many_tasks_and_retries_as_asked(tmp_path: Path) -> None:
    (graph,) = compiled(tmp_path / "batch.yaml", tasks=5, retries=2)
    found = tasks(graph)
    assert [task["parameterIterator"]["items"]["raw"] for task in found.values() if "parameterIterator" in task] == [
        "[0, 1, 2, 3, 4]"
    ]
    assert found["predict"]["retryPolicy"]["maxRetryCount"] == 2
    for entry in graph["deploymentSpec"]["executors"].values():
        assert entry["container"]["resources"]["memoryLimit"]


def test_the_command_writes_the_yaml(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["compile", "batch", f"--output={tmp_path / 'x.yaml'}", "--tasks=3", "--image=marque:1"])
    assert result.exit_code == 0, result.output
    assert "[0, 1, 2]" in (tmp_path / "x.yaml").read_text()


def test_photos_that_are_not_there_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").touch()
    given = [f"--model={tmp_path}", f"--output={tmp_path / 'out'}", f"--root={tmp_path / 'root'}"]
    result = CliRunner().invoke(main, ["batch", str(tmp_path / "nowhere"), *given])
    assert result.exit_code == 1
    assert result.stderr.startswith("marque: error: ")
    assert "nowhere: expected a folder of photos" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_places_that_cannot_be_right_are_refused_before_anything_begins(tmp_path: Path, gcs: str) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "saved_model.pb").touch()
    (tmp_path / "file").touch()

    def refusal(model: str, output: str) -> str:
        result = CliRunner().invoke(
            main, ["batch", str(tmp_path), f"--model={model}", f"--output={output}", f"--root={tmp_path / 'r'}"]
        )
        assert (result.exit_code, result.stdout, (tmp_path / "r").exists()) == (1, "", False)
        (line,) = result.stderr.splitlines()
        return line

    for model in ("nope", str(tmp_path), f"gs://{gcs}/nope"):
        assert f"error: {model}: expected a SavedModel" in refusal(model, str(tmp_path / "out"))
    for output in ("file", "file/below"):
        assert f"{tmp_path / 'file'} is a file" in refusal(str(tmp_path / "model"), str(tmp_path / output))
    assert "output: expected a folder or gs://bucket/prefix, received 's3://x'" in refusal(str(tmp_path / "model"), "s3://x")


@pytest.fixture(scope="module")
def version(toy_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from components.export.step import run

    folder = tmp_path_factory.mktemp("repository") / "marque" / "1"
    run(toy_model, folder)
    return folder


def command(photos: Path, version: Path, folder: Path) -> list[str]:
    places = [f"--model={version}", f"--output={folder / 'out'}", f"--root={folder / 'root'}"]
    return [sys.executable, "-m", "pipelines", "batch", str(photos), *places, "--chunk-photos=8"]


@pytest.mark.slow
def test_killed_in_the_middle_and_run_again(version: Path, tmp_path: Path) -> None:
    photos, output = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    jpeg = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(jpeg, "JPEG")
    for number in range(600):
        (photos / f"{number:03d}.jpg").write_bytes(jpeg.getvalue())
    (photos / "zzz.jpg").write_bytes(b"no photo")

    with subprocess.Popen(command(photos, version, tmp_path), start_new_session=True, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + START_S
        while len(list(output.glob("part-*.parquet"))) < 3:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)  # kfp.local and its tasks
    there = {path.name: path.stat().st_mtime_ns for path in output.glob("part-*.parquet")}
    assert 3 <= len(there) < 76
    assert not (output / "summary.json").exists()

    ended = subprocess.run(command(photos, version, tmp_path), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "601 photos, 1 of them with an error" in ended.stdout
    assert f"answers: {output}/predictions.parquet" in ended.stdout
    summary = json.loads((output / "summary.json").read_text())
    assert summary["chunks_reused"] == len(there)
    assert (summary["photos"], summary["errors"], summary["tasks"], summary["chunks"]) == (601, 1, 2, 76)
    assert {path.name: path.stat().st_mtime_ns for path in output.glob("part-*.parquet") if path.name in there} == there
    table = pd.read_parquet(output / "predictions.parquet")
    assert list(table["file"]) == sorted(path.name for path in photos.iterdir())

    # a new photo is seen, and written-off parts are written again: nothing comes from kfp's cache
    shutil.copyfile(photos / "000.jpg", photos / "zzzz.jpg")
    (output / "part-00000.parquet").unlink()
    ended = subprocess.run(command(photos, version, tmp_path), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "602 photos, 1 of them with an error; 10 answered now" in ended.stdout


if __name__ == "__main__":
    scratch = GOLDEN.with_suffix(".partial")
    with contextlib.ExitStack() as stack:
        stack.callback(scratch.unlink)
        GOLDEN.write_text(yaml.safe_dump_all(without_bodies(compiled(scratch))))
