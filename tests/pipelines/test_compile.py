"""The compiled graph: both documents against the golden file, and what it asks of a cluster."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

import components
import serving
from pipelines.__main__ import main
from pipelines.compile import compile_training, default_image

GOLDEN = Path(__file__).with_name("training.golden.yaml")


def compiled(path: Path, **options: int) -> list[dict[str, Any]]:
    compile_training(path, "marque:golden", **options)
    return list(yaml.safe_load_all(path.read_text()))


def without_bodies(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The documents less the steps' source code, which changes without the graph's changing."""
    for executor in documents[0]["deploymentSpec"]["executors"].values():
        executor["container"]["command"] = executor["container"]["command"][:-1]
    return documents


@pytest.mark.slow
def test_both_documents_are_the_golden_ones(tmp_path: Path) -> None:
    documents = without_bodies(compiled(tmp_path / "training.yaml"))
    assert len(documents) == 2
    assert documents == list(yaml.safe_load_all(GOLDEN.read_text())), (
        "the graph has changed; if it was meant to, write the golden file anew with `python tests/pipelines/test_compile.py`"
    )


@pytest.mark.slow
def test_gpus_reach_train_and_sanity_alone(tmp_path: Path) -> None:
    graph, platform = compiled(tmp_path / "training.yaml", gpus=2, retries=3)
    executors = graph["deploymentSpec"]["executors"]
    accelerators = {name: entry["container"]["resources"].get("accelerator") for name, entry in executors.items()}
    for name, count in (("exec-train", "2"), ("exec-sanity", "1")):
        assert accelerators.pop(name) == {
            "count": count,
            "type": "nvidia.com/gpu",
            "resourceCount": count,
            "resourceType": "nvidia.com/gpu",
        }
    assert set(accelerators.values()) == {None}
    assert graph["root"]["dag"]["tasks"]["train"]["retryPolicy"]["maxRetryCount"] == 3
    train = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-train"]
    assert train["tolerations"] == [{"effect": "NoSchedule", "key": "nvidia.com/gpu", "operator": "Exists"}]
    assert train["emptyDirMounts"][0]["mountPath"] == "/dev/shm"


@pytest.mark.slow
def test_every_step_has_the_image_and_limits(tmp_path: Path) -> None:
    graph, _ = compiled(tmp_path / "training.yaml")
    for entry in graph["deploymentSpec"]["executors"].values():
        assert entry["container"]["image"] == "marque:golden"
        assert entry["container"]["resources"]["memoryLimit"]
        assert "pip install" not in " ".join(entry["container"]["command"])


@pytest.mark.slow
def test_shards_are_written_by_as_many_tasks_as_asked(tmp_path: Path) -> None:
    graph, _ = compiled(tmp_path / "training.yaml", shard_tasks=3)
    loops = [task for task in graph["root"]["dag"]["tasks"].values() if "parameterIterator" in task]
    assert [loop["parameterIterator"]["items"]["raw"] for loop in loops] == ["[0, 1, 2]"]


def test_the_image_is_tagged_by_the_code_that_steps_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in (components, serving):
        copy = shutil.copytree(package.__path__[0], tmp_path / package.__name__, ignore=shutil.ignore_patterns("__pycache__"))
        monkeypatch.setattr(package, "__path__", [str(copy)])
    before = default_image()
    assert re.fullmatch(r"marque:\d+\.\d+\.\d+-[0-9a-f]{12}", before)
    (tmp_path / "serving" / "app" / "main.py").write_text("no step runs it")
    assert default_image() == before
    tags = {before}
    for file in ("components/deploy/step.py", "serving/client/client.py", "serving/server/core.py"):
        (tmp_path / file).write_text("other code")
        tags.add(default_image())
    assert len(tags) == 4


@pytest.mark.slow
def test_the_command_writes_the_yaml(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        main, ["compile", "--output", str(tmp_path / "sub" / "x.yaml"), "--image", "registry.test/marque:1"]
    )
    assert result.exit_code == 0, result.output
    assert "registry.test/marque:1" in (tmp_path / "sub" / "x.yaml").read_text()


@pytest.mark.slow
def test_kfp_reads_it(tmp_path: Path) -> None:
    from kfp.components import load_component_from_file

    compile_training(tmp_path / "training.yaml", "marque:golden")
    loaded = load_component_from_file(str(tmp_path / "training.yaml"))
    assert loaded.name == "marque-training"
    assert "source" in loaded.component_spec.inputs


if __name__ == "__main__":
    scratch = GOLDEN.with_suffix(".partial")
    documents = without_bodies(compiled(scratch))
    scratch.unlink()
    GOLDEN.write_text(yaml.safe_dump_all(documents))
