"""What a compiled pipeline asks of a cluster: all of it against the golden file, and what must not be asked."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from pipelines.__main__ import main

GOLDEN = Path(__file__).with_name("scheduling.golden.yaml")
ALL = [
    "--gpus=2",
    "--gpu-node=cloud.google.com/gke-accelerator=nvidia-l4",
    "--node=pool=cpu",
    "--tolerate=dedicated=marque:NoSchedule",
    "--tolerate=slow",
    "--spot",
    "--timeout=12h",
    "--volume=marque-models:/models",
    "--secret-env=WANDB_API_KEY=wandb:key",
    "--secret-volume=ca:/etc/marque/ca",
    "--pull-policy=IfNotPresent",
    "--pull-secret=registry",
]


def asked(folder: Path, *options: str) -> dict[str, dict[str, Any]]:
    """Of each step: what it asks of Kubernetes, of which accelerators, and how often it is tried again."""
    output = folder / "training.yaml"
    result = CliRunner().invoke(main, ["compile", f"--output={output}", "--image=marque:golden", *options])
    assert result.exit_code == 0, result.output
    graph, platform = yaml.safe_load_all(output.read_text())
    steps = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    retries = retries_of(graph)
    return {
        name: {
            "kubernetes": steps.get(name, {}),
            "accelerator": executor["container"]["resources"].get("accelerator", {}),
            "retry": retries.get(name, {}),
        }
        for name, executor in graph["deploymentSpec"]["executors"].items()
    }


def retries_of(graph: dict[str, Any]) -> dict[str, Any]:
    executors = {name: component.get("executorLabel") for name, component in graph["components"].items()}
    dags = [graph["root"]["dag"], *(component["dag"] for component in graph["components"].values() if "dag" in component)]
    tasks = [task for dag in dags for task in dag["tasks"].values()]
    return {executors[task["componentRef"]["name"]]: task["retryPolicy"] for task in tasks if "retryPolicy" in task}


@pytest.mark.slow
def test_all_options_together_are_the_golden_ones(tmp_path: Path) -> None:
    assert asked(tmp_path, *ALL) == yaml.safe_load(GOLDEN.read_text()), (
        "if it was meant to, write the golden file anew with `python tests/pipelines/test_scheduling.py`"
    )


@pytest.mark.slow
def test_without_options_nothing_but_shared_memory_is_asked_for(tmp_path: Path) -> None:
    for step in asked(tmp_path).values():
        assert step["kubernetes"].keys() <= {"emptyDirMounts"}
        assert not step["accelerator"]
        assert not step["retry"]


@pytest.mark.slow
def test_without_a_gpu_spot_changes_nothing(tmp_path: Path) -> None:
    assert asked(tmp_path, "--spot", "--gpu-node=a=b") == asked(tmp_path)


@pytest.mark.slow
def test_retries_that_are_named_win_over_those_of_spot(tmp_path: Path) -> None:
    steps = asked(tmp_path, "--gpus=1", "--spot", "--retries=2")
    assert steps["exec-train"]["retry"]["maxRetryCount"] == 2


@pytest.mark.slow
def test_a_label_without_a_value(tmp_path: Path) -> None:
    """As Kubernetes marks the roles of nodes."""
    steps = asked(tmp_path, "--node=node-role.kubernetes.io/worker=")
    assert steps["exec-train"]["kubernetes"]["nodeSelector"] == {"labels": {"node-role.kubernetes.io/worker": ""}}


@pytest.mark.slow
def test_vertex_names_its_gpus(tmp_path: Path) -> None:
    steps = asked(tmp_path, "--gpus=1", "--gpu-type=NVIDIA_L4")
    assert steps["exec-train"]["accelerator"]["type"] == "NVIDIA_L4"


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("--gpu-node=l4", "--gpu-node: expected LABEL=[VALUE], in characters that Kubernetes takes, received 'l4'"),
        ("--tolerate=a=b:Never", "--tolerate: expected KEY[=VALUE]"),
        ("--timeout=12", "--timeout: expected a whole number with s, m, h or d"),
        ("--volume=models", "--volume: expected CLAIM:PATH"),
        ("--volume=models:here", "absolute path"),
        ("--secret-env=TOKEN=wandb", "--secret-env: expected VARIABLE=SECRET:KEY"),
        ("--secret-env=1A=wandb:key", "--secret-env: expected VARIABLE=SECRET:KEY"),
        ("--secret-env=A=Wandb:key", "--secret-env: expected VARIABLE=SECRET:KEY"),
        ("--node=a b=c", "--node: expected LABEL=[VALUE], in characters that Kubernetes takes"),
        ("--node=a=b=c", "--node: expected LABEL=[VALUE]"),
        ("--node=a=ö", "--node: expected LABEL=[VALUE]"),
        ("--tolerate=garbage garbage", "--tolerate: expected KEY[=VALUE]"),
        ("--volume=my models:/models", "--volume: expected CLAIM:PATH"),
        ("--volume=models:/a:/b", "--volume: expected CLAIM:PATH"),
        ("--volume=models:/", "--volume: expected CLAIM:PATH"),
        ("--secret-volume=ca:/", "--secret-volume: expected SECRET:PATH"),
        ("--timeout=0s", "--timeout: expected a whole number with s, m, h or d"),
        ("--timeout=99999d", "at most 2147483647s"),
        ("--gpu-type=", "--gpu-type: expected a GPU's name"),
        ("--pull-secret=a b", "--pull-secret: expected a secret's name"),
        ("--study-volume=study:/study", "--study-volume: expected a claim's name"),
        ("--image=a b", "--image: expected an image's reference"),
        ("--tag=1", "--image is the whole reference"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, option: str, expected: str) -> None:
    result = CliRunner().invoke(main, ["compile", f"--output={tmp_path / 'x.yaml'}", "--image=marque:golden", option])
    assert result.exit_code == 1
    assert expected in result.output
    assert len(result.output.splitlines()) == 1
    assert not (tmp_path / "x.yaml").exists()


@pytest.mark.parametrize(
    ("options", "twice"),
    [
        (["--node=a=b", "--node=a=c"], "a"),
        (["--volume=one:/data", "--volume=two:/data/"], "/data"),
        (["--secret-env=KEY=a:b", "--secret-env=KEY=c:d"], "KEY"),
    ],
)
def test_what_is_named_twice_is_refused(tmp_path: Path, options: list[str], twice: str) -> None:
    result = CliRunner().invoke(main, ["compile", f"--output={tmp_path / 'x.yaml'}", "--image=marque:golden", *options])
    assert result.exit_code == 1
    assert f"expected {twice} once, received it 2 times" in result.output


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        GOLDEN.write_text(yaml.safe_dump(asked(Path(scratch), *ALL)))
