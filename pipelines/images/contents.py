"""What goes into each image, and the names that follow from it.

An image's tag is the version and a hash of all that its build reads from this repository (Containerfile, lock, code), so equal tags
mean equal contents, and kfp's cache, which knows a step's image by its name alone, can be trusted. The base image is not part of
the hash: who takes another one gives a tag of their own.
"""

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from components.common.errors import UserError
from components.common.fingerprint import fingerprint

ROOT = Path(__file__).resolve().parents[2]
CONTAINERFILE = "images/Containerfile"
HERE = "localhost"
# As the specification of the OCI's registries has them.
PREFIX = re.compile(r"[^\s/@]+(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")

_COMMON = ("components/__init__.py", "components/common")
_CLIENT = ("serving/__init__.py", "serving/__main__.py", "serving/client")


@dataclass(frozen=True)
class Image:
    """A target of the Containerfile, and the paths of the code that it holds."""

    target: str
    code: tuple[str, ...]


TRAINER = Image("trainer", ("components", *_CLIENT, "serving/server"))
IMAGES = {
    "data": Image("data", (*_COMMON, "components/ingest", "components/shard", "components/predict")),
    "trainer": TRAINER,
    "trainer-gpu": TRAINER,
    "server": Image("server", (*_COMMON, *_CLIENT, "serving/server")),
    "client": Image("client", (*_COMMON, *_CLIENT)),
    "app": Image("app", (*_COMMON, *_CLIENT, "serving/app")),
}


def lock_of(name: str) -> str:
    """The path of an image's locked requirements."""
    return f"images/locks/{name}.lock"


def version() -> str:
    """Marque's version, as pyproject.toml has it."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"])


def content_tag(name: str, root: Path = ROOT) -> str:
    """`<version>-<12 hex digits>` of the image `name`."""
    digest = hashlib.sha256()
    for path in (CONTAINERFILE, lock_of(name), *IMAGES[name].code):
        whole = root / path
        content = fingerprint(whole) if whole.is_dir() else hashlib.sha256(whole.read_bytes()).hexdigest()
        digest.update(f"{content} {path}\0".encode())
    return f"{version()}-{digest.hexdigest()[:12]}"


def references(registry: str = "", tag: str = "") -> dict[str, str]:
    """Every image's reference: `<registry>/marque-<name>:<tag>`; of this machine where no registry is given, tagged by content
    where no tag is.

    Raises:
        UserError: a registry or tag that no image could have, or this is no checkout.
    """
    if not (ROOT / CONTAINERFILE).exists():
        raise UserError(f"{ROOT}: expected a checkout of Marque, with {CONTAINERFILE}; elsewhere name the images yourself")
    prefix = registry.rstrip("/") or HERE
    if not PREFIX.fullmatch(prefix):
        raise UserError(f"registry: expected host/path in lower case, such as registry.example/you, received {registry!r}")
    if tag and not TAG.fullmatch(tag):
        raise UserError(f"tag: expected up to 128 letters, digits, `_`, `.` and `-`, received {tag!r}")
    return {name: f"{prefix}/marque-{name}:{tag or content_tag(name)}" for name in IMAGES}


def with_digests(names: Mapping[str, str], digests: Mapping[str, str]) -> dict[str, str]:
    """`names`, each with the digest of what was pushed under it, where that is known: `<registry>/marque-data:<tag>@sha256:…`."""
    return {name: f"{reference}@{digests[reference]}" if reference in digests else reference for name, reference in names.items()}
