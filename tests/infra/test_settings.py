"""settings.env: what is missing is said at once, in one line, before kustomize or Terraform meets it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import INFRA

FILLED = {
    "DATA_IMAGE": "registry.test/marque-data:0.1.0@sha256:" + "1" * 64,
    "APP_IMAGE": "registry.test/marque-app@sha256:" + "0" * 64,
    "MODEL_REPOSITORY": "gs://cars/models",
    "NFS_SERVER": "10.0.0.9",
    "NFS_PATH": "/srv/models",
    "PROJECT": "cars-1234",
    "REGION": "europe-west1",
    "BUCKET": "cars-1234",
    "BILLING_ACCOUNT": "01AB2C-01AB2C-01AB2C",
    "BUDGET": "100",
    "ALERT_EMAIL": "cars@example.com",
    "ADMIN_CIDR": "198.51.100.4/32",
}


def check(folder: Path, settings: dict[str, str] | None, *arguments: str) -> subprocess.CompletedProcess[str]:
    for name in ("check.py", "settings.env.example"):
        shutil.copyfile(INFRA / "settings" / name, folder / name)
    if settings is not None:
        (folder / "settings.env").write_text("# mine\n\n" + "".join(f"{name}={value}\n" for name, value in settings.items()))
    return subprocess.run([sys.executable, folder / "check.py", *arguments], capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize("target", ["kind", "gke", "on-prem", "terraform"])
def test_what_is_filled_in_passes(tmp_path: Path, target: str) -> None:
    run = check(tmp_path, FILLED, target)
    assert (run.returncode, run.stderr) == (0, "")


def test_kind_needs_no_settings(tmp_path: Path) -> None:
    assert check(tmp_path, None, "kind").returncode == 0


@pytest.mark.parametrize(
    ("target", "name", "value"),
    [
        ("gke", "DATA_IMAGE", ""),
        ("gke", "DATA_IMAGE", "registry.test/marque:latest"),
        ("gke", "APP_IMAGE", "registry.test/marque-app"),
        ("gke", "MODEL_REPOSITORY", "/models"),
        ("on-prem", "NFS_PATH", "models"),
        ("terraform", "BILLING_ACCOUNT", "mine"),
        ("terraform", "BUDGET", "-3"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(tmp_path: Path, target: str, name: str, value: str) -> None:
    run = check(tmp_path, {**FILLED, name: value}, target)
    assert run.returncode == 1
    assert re.fullmatch(rf"marque: error: \S+settings\.env: {name}[^\n]+\n", run.stderr)


def test_the_examples_values_are_no_answer(tmp_path: Path) -> None:
    run = check(tmp_path, {**FILLED, "PROJECT": "my-project"}, "terraform")
    assert "PROJECT is still the example's" in run.stderr


def test_no_file_no_name_no_target(tmp_path: Path) -> None:
    assert "copy settings.env.example" in check(tmp_path, None, "gke").stderr
    assert "expected one of kind, gke" in check(tmp_path, FILLED, "aws").stderr
    assert "expected NAME=value" in check(tmp_path, {"BUCKET ": "x"}, "gke").stderr


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "settings.env").write_bytes(b"PROJECT=\xff\n")
    run = check(tmp_path, None, "terraform")
    assert (run.returncode, run.stderr.count("\n")) == (1, 1)
    assert "settings.env: expected a text in UTF-8" in run.stderr


def test_terraform_reads_its_variables_from_it(tmp_path: Path) -> None:
    run = check(tmp_path, FILLED, "terraform", "--terraform")
    assert dict(line.split("=", 1) for line in run.stdout.splitlines())["TF_VAR_project"] == "cars-1234"
