"""What the images are made from, without building any: names, tags, locks, bills of materials."""

import json
import re
import shutil
import sys
from importlib import metadata
from pathlib import Path

import grimp
import pytest
import yaml
from click.testing import CliRunner

from pipelines import batch, monitoring, resources, tuning  # noqa: F401 - they add steps
from pipelines.__main__ import main
from pipelines.images.contents import CONTAINERFILE, IMAGES, ROOT, content_tag, lock_of, references, with_digests
from pipelines.images.sbom import installed, write_sbom

# What a command or a step starts with, by the image that runs it.
ENTRIES = {
    "data": ["components.ingest", "components.shard", "components.predict.listing"],
    "trainer": [
        f"components.{step}" for step in ("train", "tune", "export", "evaluate", "validate", "deploy", "predict", "monitor")
    ]
    + ["serving.server", "serving.__main__"],
    "server": ["serving.server", "serving.__main__"],
    "client": ["serving.client", "serving.__main__"],
    "app": ["serving.app"],
}


# Which of these is used, a setting says; who sets it installs it.
OPTIONAL = {"mlflow", "wandb"}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("components", "serving", include_external_packages=True, cache_dir=None)


def imported(graph: grimp.ImportGraph, image: str) -> tuple[set[str], set[str]]:
    """Our files and the packages of others that an image's commands import, at their start or later."""
    modules = {module for entry in ENTRIES[image] for module in (entry, *graph.find_descendants(entry))}
    needed = modules.union(*(graph.find_upstream_modules(module) for module in modules))
    packages = {each for each in needed if graph.is_module_squashed(each)}
    paths = (each.replace(".", "/") for each in needed - packages)
    return {f"{path}/__init__.py" if (ROOT / path).is_dir() else f"{path}.py" for path in paths}, packages - {"kfp"}


@pytest.mark.parametrize("name", ENTRIES)
def test_an_image_holds_all_code_that_its_commands_import(graph: grimp.ImportGraph, name: str) -> None:
    files, _ = imported(graph, name)
    assert len(files) > 10
    assert {file for file in files if not any(file == path or file.startswith(f"{path}/") for path in IMAGES[name].code)} == set()


@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.slow
def test_a_lock_holds_all_packages_that_its_images_commands_import(graph: grimp.ImportGraph, name: str) -> None:
    _, packages = imported(graph, name)
    assert "numpy" in packages
    locked = {requirement.partition("==")[0].removesuffix("-cpu") for requirement in installed(name)}
    homes = metadata.packages_distributions()
    wanted = packages - sys.stdlib_module_names - OPTIONAL
    assert {each for each in wanted if locked.isdisjoint(home.lower().replace("_", "-") for home in homes[each])} == set()


def test_steps_run_in_images_that_there_are() -> None:
    assert {step.image for step in resources.STEPS.values()} == {"data", "trainer"}
    assert set(ENTRIES) | {"trainer-gpu"} == set(IMAGES)


@pytest.mark.parametrize("name", IMAGES)
def test_a_lock_holds_hashes_and_no_address(name: str) -> None:
    text = (ROOT / lock_of(name)).read_text("utf-8")
    requirements = re.sub(r"\\\n\s*", " ", text).splitlines()
    assert requirements
    assert all(re.match(r"[\w.-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line) for line in requirements)
    assert "://" not in text
    assert "--index" not in text


def test_small_images_lock_none_of_the_large_packages() -> None:
    packages = {name: set(re.findall(r"^([\w.-]+)==", (ROOT / lock_of(name)).read_text("utf-8"), re.MULTILINE)) for name in IMAGES}
    assert not packages["client"] & {"tensorflow", "tensorflow-cpu", "pandas", "pyarrow", "scipy", "kfp", "streamlit"}
    assert not packages["data"] & {"tensorflow", "tensorflow-cpu", "keras", "matplotlib", "streamlit"}
    assert not packages["app"] & {"tensorflow", "tensorflow-cpu", "kfp"}
    assert not packages["server"] & {"kfp", "pandas", "streamlit"}


def test_a_tag_follows_what_goes_in_and_nothing_else(tmp_path: Path) -> None:
    for path in (CONTAINERFILE, lock_of("client"), *IMAGES["client"].code):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / path).is_dir() else shutil.copy)(ROOT / path, tmp_path / path)
    before = content_tag("client", tmp_path)
    assert before == content_tag("client")
    (tmp_path / "components/common/__pycache__").mkdir(exist_ok=True)
    (tmp_path / "components/common/__pycache__/x.pyc").write_bytes(b"")
    (tmp_path / "README.md").write_text("other")
    assert content_tag("client", tmp_path) == before
    tags = {before}
    for path in (CONTAINERFILE, lock_of("client"), "serving/client/client.py", "serving/__main__.py"):
        with (tmp_path / path).open("a") as file:
            file.write("\n")
        tags.add(content_tag("client", tmp_path))
    assert len(tags) == 5


def test_references_take_a_registry_and_a_tag_and_known_digests() -> None:
    assert references("registry.test/team/", "v1")["data"] == "registry.test/team/marque-data:v1"
    assert references("127.0.0.1:5001/my-team_2/x", "v1")["data"] == "127.0.0.1:5001/my-team_2/x/marque-data:v1"
    assert re.fullmatch(r"localhost/marque-app:\d+\.\d+\.\d+-[0-9a-f]{12}", references()["app"])
    names = {"data": "r/marque-data:1", "trainer": "r/marque-trainer:1"}
    assert with_digests(names, {"r/marque-data:1": "sha256:ab"}) == {**names, "data": "r/marque-data:1@sha256:ab"}


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("registry", "https://registry.test/you"),
        ("registry", "registry.test/You"),
        ("registry", "registry.test/a b"),
        ("tag", "v 1"),
    ],
)
def test_a_reference_that_no_image_could_have_is_one_line(tmp_path: Path, option: str, value: str) -> None:
    output = tmp_path / "training.yaml"
    ended = CliRunner().invoke(main, ["compile", "--output", str(output), f"--{option}", value])
    assert ended.exit_code == 1
    assert ended.output.startswith(f"marque: error: {option}: expected ")
    assert ended.output.endswith(f"received {value!r}\n")
    assert not output.exists()


@pytest.mark.parametrize("gpus", [0, 2])
@pytest.mark.slow
def test_compile_writes_each_steps_image(tmp_path: Path, gpus: int) -> None:
    output = tmp_path / "training.yaml"
    words = ["compile", "--output", str(output), "--registry", "registry.test", "--tag", "v1", "--gpus", str(gpus)]
    ended = CliRunner().invoke(main, words, catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    executors = next(yaml.safe_load_all(output.read_text("utf-8")))["deploymentSpec"]["executors"]
    found = {name.removeprefix("exec-"): entry["container"]["image"].partition("/")[2] for name, entry in executors.items()}
    assert (found["ingest"], found["shard"]) == ("marque-data:v1", "marque-data:v1")
    assert found["train"] == ("marque-trainer-gpu:v1" if gpus else "marque-trainer:v1")
    assert {found[name] for name in ("export", "evaluate", "validate", "deploy", "find-champion")} == {"marque-trainer:v1"}


@pytest.mark.slow
def test_a_bill_of_materials_lists_what_pip_installs_there(tmp_path: Path) -> None:
    bill = json.loads(write_sbom("trainer", tmp_path).read_text("utf-8"))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    packages = {each["name"] for each in bill["components"]}
    assert {"tensorflow-cpu", "keras", "kfp", "numpy"} <= packages
    assert not packages & {"tensorflow", "colorama", "numba", "kubernetes", "opencv-python"}
    again = write_sbom("trainer", tmp_path / "again").read_bytes()
    assert again == (tmp_path / "trainer.cdx.json").read_bytes()


def test_push_without_a_registry_says_what_is_missing() -> None:
    from pipelines.images.__main__ import main as images_main

    ended = CliRunner().invoke(images_main, ["push"])
    assert ended.exit_code == 1
    assert "expected where to push to, such as REGISTRY=" in ended.output
