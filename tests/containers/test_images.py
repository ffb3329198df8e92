"""Each image as a cluster would run it, without privileges and with nothing to write to; what it holds, how large."""

import json
import subprocess
from importlib import metadata
from pathlib import Path

import pytest

from pipelines.images.contents import CONTAINERFILE, IMAGES, ROOT, version
from pipelines.images.engine import USER, Engine
from pipelines.images.sbom import write_sbom
from tests.containers.conftest import BASE, FACTS, HARDENED, NAMES, Run

pytestmark = pytest.mark.containers
MB = {"client": 250, "data": 700, "app": 700, "server": 1500, "trainer": 2200}
HEAVY = {"PIL", "google", "grpc", "kfp", "numpy", "pandas", "pyarrow", "requests", "rich", "scipy", "urllib3"}
# What each image's commands and steps load; imports of theirs that only a setting asks for are not among it.
WALKED = {
    "client": ("serving.client",),
    "data": ("components.ingest", "components.shard", "components.predict.listing"),
    "server": ("serving.client", "serving.server"),
    "app": ("serving.client", "serving.app"),
    "trainer": ("components", "serving.client", "serving.server"),
}
LEFT_OUT = ("components.train.tracking", "serving.client.messages.generate")
WALK = """
import importlib, pkgutil, sys
left_out = sys.argv[1].split(",")
for package in sys.argv[2:]:
    for module in pkgutil.walk_packages(getattr(importlib.import_module(package), "__path__", ()), f"{package}."):
        # kfp hands a step its body; the file that it was compiled from is never loaded there
        if not module.name.endswith((".__main__", ".component")) and not any(module.name.startswith(name) for name in left_out):
            importlib.import_module(module.name)
"""
PACKAGES = """
import importlib.metadata, re, sys
folders = [path for path in sys.path if "/opt/marque" in path]
print(*(re.sub("[-_.]+", "-", each.name).lower() for each in importlib.metadata.distributions(path=folders)))
"""


@pytest.mark.parametrize("name", NAMES)
def test_runs_as_its_own_user_without_privileges_on_a_read_only_root(run: Run, name: str) -> None:
    ended = run(name, "python3", "-c", FACTS)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == {**HARDENED, "uid": USER, "gid": USER}


@pytest.mark.parametrize("name", NAMES)
def test_all_that_its_commands_load_is_in_its_lock(run: Run, name: str) -> None:
    ended = run(name, "python3", "-c", WALK, ",".join(LEFT_OUT), *WALKED[name])
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("name", NAMES)
def test_is_no_larger_than_promised(engine: Engine, images: dict[str, str], name: str) -> None:
    assert int(engine.read("image", "inspect", "--format={{.Size}}", images[name])) <= MB[name] * 1e6


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("client", ("-m", "serving", "predict", "--help")),
        ("data", ("-m", "components.ingest", "--help")),
        ("data", ("-m", "components.shard", "--help")),
    ],
)
def test_helps_without_loading_what_takes_long(run: Run, name: str, words: tuple[str, ...]) -> None:
    """How long it takes is measured by `make bench-containers`."""
    ended = run(name, "python3", "-X", "importtime", *words)
    assert "Usage" in ended.stdout
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in ended.stderr.splitlines()}
    assert "click" in loaded
    assert not loaded & HEAVY


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("client", 0, "predict "),
        ("data", 0, "components.ingest"),
        ("trainer", 0, "components.train"),
        ("server", 1, "marque: error: /models: expected a model repository"),
    ],
)
def test_its_own_command_says_what_to_do(engine: Engine, images: dict[str, str], name: str, status: int, said: str) -> None:
    ended = subprocess.run(
        [engine.name, "run", "--rm", *engine.hardened, images[name]], check=False, capture_output=True, text=True
    )
    assert (ended.returncode, said in ended.stdout + ended.stderr) == (status, True), ended.stderr


def test_the_client_says_what_it_leaves_out(run: Run) -> None:
    ended = run("client", "python3", "-m", "serving", "predict", "gs://bucket/photo.jpg")
    assert ended.returncode == 1
    assert ended.stderr.startswith("marque: error: gs://bucket/photo.jpg: gs:// needs google-cloud-storage")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("name", NAMES)
def test_holds_no_compiler_no_cache_and_no_other_package_than_listed(run: Run, name: str, tmp_path: Path) -> None:
    found = run(
        name,
        "sh",
        "-c",
        "command -v gcc cc g++ ld make; find / -xdev -name '*.a' 2>/dev/null; ls -A /var/cache/pip 2>/dev/null; echo end",
    )
    assert found.stdout == "end\n"
    listed = {each["name"].lower().replace("_", "-") for each in json.loads(write_sbom(name, tmp_path).read_text())["components"]}
    assert set(run(name, "python3", "-c", PACKAGES).stdout.split()) == listed


@pytest.mark.parametrize("name", NAMES)
def test_is_labelled(engine: Engine, images: dict[str, str], name: str) -> None:
    labels = json.loads(engine.read("image", "inspect", "--format={{json .Config.Labels}}", images[name]))
    assert labels["org.opencontainers.image.version"] == version() == metadata.version("marque")
    # HEAD, or where podman had built the same content before, the commit that it did so at
    revision = labels["org.opencontainers.image.revision"].removesuffix("-dirty")
    assert subprocess.run(["git", "-C", str(ROOT), "merge-base", "--is-ancestor", revision, "HEAD"], check=False).returncode == 0
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    check = engine.read("image", "inspect", "--format={{json .Config.Healthcheck}}", images[name])
    assert ("CMD" in check) == (name in ("server", "app"))


def test_two_builds_of_our_code_are_equal(engine: Engine, tmp_path: Path) -> None:
    trees = []
    for attempt in range(2):
        tag = f"localhost/marque-code:{attempt}"
        engine.run(
            "build",
            "--no-cache",
            f"--file={ROOT / CONTAINERFILE}",
            "--target=code",
            *([f"--build-arg=BASE={BASE}"] if BASE else []),
            f"--build-arg=CODE={' '.join(IMAGES['trainer'].code)}",
            f"--tag={tag}",
            str(ROOT),
            quiet=True,
        )
        listing = "cd /opt/code && find . -printf '%p %m %T@\\n' | sort && find . -type f -exec sha256sum {} + | sort"
        trees.append(engine.read("run", "--rm", "--network=none", "--entrypoint=sh", tag, "-c", listing))
        engine.run("rmi", "--force", tag, quiet=True)
    assert "components/train/step.py" in trees[0]
    assert "step.cpython-" in trees[0]
    assert trees[0] == trees[1]
