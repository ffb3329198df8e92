"""What other tools say of infra/: shellcheck of the scripts, Terraform of its files; and the one script that runs in a pod."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .conftest import INFRA
from .test_settings import FILLED

WAIT = INFRA / "kubernetes" / "base" / "serving" / "wait_for_models.py"


def test_scripts_pass_shellcheck() -> None:
    scripts = [path for path in INFRA.rglob("*.sh") if ".terraform" not in path.parts]
    assert scripts
    run = subprocess.run(
        [Path(sys.executable).with_name("shellcheck"), "--external-sources", "--source-path=SCRIPTDIR", *scripts],
        cwd=INFRA,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_terraform_is_formatted() -> None:
    terraform = shutil.which("terraform")
    if not terraform:
        pytest.skip("terraform is not on this machine")
    run = subprocess.run([terraform, "fmt", "-check", "-diff", "-recursive", INFRA / "terraform"], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_terraform_finds_it_valid() -> None:
    folder = INFRA / "terraform"
    if not shutil.which("terraform") or not (folder / ".terraform" / "providers").is_dir():
        pytest.skip("no providers: run `terraform -chdir=infra/terraform init -backend=false` where their registry is reached")
    run = subprocess.run(["terraform", f"-chdir={folder}", "validate"], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that has Terraform's variables alone, and so needs no provider."""
    if not shutil.which("terraform"):
        pytest.skip("terraform is not on this machine")
    folder = tmp_path_factory.mktemp("variables")
    shutil.copyfile(INFRA / "terraform" / "variables.tf", folder / "variables.tf")
    subprocess.run(["terraform", f"-chdir={folder}", "init", "-input=false"], check=True, capture_output=True)
    return folder


def planned(variables: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    supplied = {**{name.lower(): value for name, value in FILLED.items()}, **settings}
    environment = {**os.environ, **{f"TF_VAR_{name}": value for name, value in supplied.items()}}
    command = ["terraform", f"-chdir={variables}", "plan", "-input=false", "-no-color"]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("settings", [{}, {"gpu_zones": '["europe-west1-b"]'}])
def test_terraform_takes_what_is_right(variables: Path, settings: dict[str, str]) -> None:
    run = planned(variables, **settings)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("region", "europe-west1-b"),
        ("budget", "0.5"),
        ("admin_cidr", "0.0.0.0/0"),
        ("admin_cidr", "10.0.0.1"),
        ("gpu_type", "l4"),
        ("gpu_zones", '["europe-west4-a"]'),
        ("gpus_per_node", "3"),
        ("artifact_days", "1"),
    ],
)
def test_terraform_refuses_what_is_wrong(variables: Path, name: str, value: str) -> None:
    run = planned(variables, **{name: value})
    assert run.returncode == 1
    assert "Invalid value for variable" in run.stderr
    assert f"var.{name} is" in run.stderr


@pytest.mark.slow
def test_serving_waits_for_the_first_deploy(tmp_path: Path) -> None:
    environment = {**os.environ, "MODEL_REPOSITORY": f"{tmp_path}/"}
    with subprocess.Popen([sys.executable, WAIT], env=environment, stderr=subprocess.PIPE, text=True) as waiting:
        assert waiting.stderr
        said = waiting.stderr.readline()
        assert "first deploy" in said
        assert f"{tmp_path}/models.config" in said
        assert waiting.poll() is None
        (tmp_path / "models.config").write_text("model_config_list {}")
        assert waiting.wait(60) == 0


def test_a_pod_that_waits_ends_when_it_is_told_to(tmp_path: Path) -> None:
    environment = {**os.environ, "MODEL_REPOSITORY": str(tmp_path)}
    with subprocess.Popen([sys.executable, WAIT], env=environment, stderr=subprocess.PIPE, text=True) as waiting:
        assert waiting.stderr
        waiting.stderr.readline()
        waiting.terminate()
        assert waiting.wait(10) == 143


def test_serving_does_not_wait_for_what_is_there_in_a_bucket(gcs: str, tmp_path: Path) -> None:
    from components.common.buckets import upload

    (tmp_path / "models.config").write_text("model_config_list {}")
    upload(tmp_path / "models.config", f"gs://{gcs}/models/models.config")
    began = time.monotonic()
    run = subprocess.run([sys.executable, WAIT], env={**os.environ, "MODEL_REPOSITORY": f"gs://{gcs}/models"}, timeout=60)
    assert run.returncode == 0
    assert time.monotonic() - began < 30
