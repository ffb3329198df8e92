"""Builds and pushes the images. `build/images.json` remembers of each reference the image's id, its bytes and its pushed digest."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components.common.errors import UserError
from components.common.storage import without_secrets
from components.common.whole import whole_file
from pipelines.images.contents import CONTAINERFILE, IMAGES, ROOT, version
from pipelines.images.engine import Engine

MADE = ROOT / "build/images.json"
# pip's settings that say where packages come from; addresses of this machine's disk mean nothing inside a build.
PIP_SETTINGS = ("index-url", "extra-index-url", "trusted-host", "proxy")


def build(engine: Engine, names: Mapping[str, str], base: str = "", cache: bool = True) -> None:
    """Builds the images `names`, each under its reference.

    Raises:
        UserError: a build failed.
    """
    with _secrets() as secrets:
        for name, reference in names.items():
            image = IMAGES[name]
            values = {
                "LOCK": name,
                "CODE": " ".join(image.code),
                "VERSION": version(),
                **({"BASE": base} if base else {}),
            }
            engine.run(
                "build",
                # The health checks are no part of the format that podman writes by default; times are equal in every build.
                *(["--format=docker", "--timestamp=0"] if engine.name == "podman" else []),
                *([] if cache else ["--no-cache"]),
                f"--file={ROOT / CONTAINERFILE}",
                f"--target={image.target}",
                *(f"--build-arg={key}={value}" for key, value in values.items()),
                *(f"--label=org.opencontainers.image.{key}={value}" for key, value in _labels().items() if value),
                *secrets,
                f"--tag={reference}",
                str(ROOT),
                quiet=True,
            )
            size = int(engine.read("image", "inspect", "--format={{.Size}}", reference))
            remember(reference, name=name, id=engine.read("image", "inspect", "--format={{.Id}}", reference), bytes=size)


def push(engine: Engine, references: Collection[str]) -> None:
    """Pushes, and remembers the digests by which the registry knows the images.

    Raises:
        UserError: one of them is not here, before any is pushed; or the registry refused.
    """
    for reference in references:
        if not engine.succeeds("image", "inspect", reference):
            raise UserError(f"{reference}: expected an image in {engine.name}, found none; first: make images REGISTRY=…")
    for reference in references:
        if engine.name == "podman":
            with tempfile.TemporaryDirectory() as scratch:
                engine.run("push", f"--digestfile={scratch}/digest", reference)
                digest = Path(scratch, "digest").read_text("ascii").strip()
        else:
            engine.run("push", reference)
            known = json.loads(engine.read("image", "inspect", "--format={{json .RepoDigests}}", reference))
            digest = _digest_of(reference.rpartition(":")[0], known)
        remember(reference, digest=digest)


def _digest_of(repository: str, known: Iterable[str]) -> str:
    """The digest of `repository` among those of all repositories; docker leaves the host of its own registry out of their names."""
    return max((each for each in known if f"/{repository}".endswith(f"/{each.partition('@')[0]}")), key=len).partition("@")[2]


def remember(reference: str, **facts: Any) -> None:
    """Adds to what is known of a reference; a new image forgets the digest of the one before it."""
    made = recall()
    before = made.get(reference, {})
    made[reference] = {**(before if before.get("id") == facts.get("id", before.get("id")) else {}), **facts}
    MADE.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(MADE) as partial:
        partial.write_text(json.dumps(made, indent=1), "utf-8")


def recall() -> dict[str, dict[str, Any]]:
    """What is known of every reference that was built here."""
    return dict(json.loads(MADE.read_text("utf-8"))) if MADE.exists() else {}


def digests() -> dict[str, str]:
    """The digests of what was pushed."""
    return {reference: facts["digest"] for reference, facts in recall().items() if "digest" in facts}


@contextmanager
def _secrets() -> Iterator[list[str]]:
    """Flags that lend a build this machine's settings of pip and its certificates, which no layer keeps."""
    settings = _pip_settings()
    with tempfile.TemporaryDirectory(prefix="marque-pip-") as scratch:
        flags = []
        if wanted := {name: settings[name] for name in PIP_SETTINGS if name in settings}:
            config = Path(scratch, "pip.conf")
            config.touch(mode=0o600)
            config.write_text("[global]\n" + "".join(f"{name} = {value}\n" for name, value in wanted.items()), "utf-8")
            flags.append(f"--secret=id=pip,src={config}")
        if Path(settings.get("cert", "")).is_file():
            flags.append(f"--secret=id=ca,src={settings['cert']}")
        yield flags


def _pip_settings() -> dict[str, str]:
    done = subprocess.run([sys.executable, "-m", "pip", "config", "list"], check=False, capture_output=True, text=True)
    settings = {}
    for line in done.stdout.splitlines():
        key, _, value = line.partition("=")
        name = key.rpartition(".")[2]
        words = value.strip("'\"").replace("\\n", " ").split()
        if kept := [word for word in words if not word.startswith("file:")]:
            settings[name] = " ".join(kept)
    return settings


def _labels() -> dict[str, str]:
    origin = without_secrets(_git("remote", "get-url", "origin"))
    return {
        "version": version(),
        "revision": _git("rev-parse", "HEAD") + ("-dirty" if _git("status", "--porcelain") else ""),
        "source": origin if origin.startswith("https://") else "",
    }


def _git(*words: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *words], check=False, capture_output=True, text=True)  # noqa: S607
    return done.stdout.strip()
