"""Checks settings.env, the one place for what a user must supply, before kustomize or Terraform say it in their own words.

    python infra/settings/check.py gke                       one line and exit status 1 where something is missing or the example's
    python infra/settings/check.py terraform --terraform     and prints the values as TF_VAR_name=value, for the Makefile

Needs Python alone.
"""

import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
IMAGE = r"\S+/[^\s:@]+(:(?!latest\b)[\w.-]+(@sha256:[0-9a-f]{64})?|@sha256:[0-9a-f]{64})"
NEEDS = {
    "kind": {},
    "gke": {
        "DATA_IMAGE": (IMAGE, "a pushed image with a tag other than latest, or with a digest"),
        "APP_IMAGE": (IMAGE, "a pushed image with a tag other than latest, or with a digest"),
        "MODEL_REPOSITORY": (r"gs://[a-z0-9][\w.-]+/\S*[^/\s]", "gs://bucket/folder"),
    },
    "on-prem": {
        "DATA_IMAGE": (IMAGE, "a pushed image with a tag other than latest, or with a digest"),
        "APP_IMAGE": (IMAGE, "a pushed image with a tag other than latest, or with a digest"),
        "NFS_SERVER": (r"[\w.:-]+", "a host name or address"),
        "NFS_PATH": (r"/\S+", "an absolute path on the NFS server"),
    },
    "terraform": {
        "PROJECT": (r"[a-z][a-z0-9-]{4,28}[a-z0-9]", "the id of a Google Cloud project"),
        "REGION": (r"[a-z]+-[a-z]+\d+", "a region, such as europe-west4"),
        "BUCKET": (r"[a-z0-9][a-z0-9_.-]{1,61}[a-z0-9]", "a bucket's name"),
        "BILLING_ACCOUNT": (r"[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}", "XXXXXX-XXXXXX-XXXXXX"),
        "BUDGET": (r"[1-9]\d*", "a whole amount a month, in the billing account's currency"),
        "ALERT_EMAIL": (r"\S+@\S+\.\S+", "an address for the budget's alerts"),
        "ADMIN_CIDR": (r"\d+\.\d+\.\d+\.\d+/\d+", "the addresses that kubectl comes from, such as 203.0.113.7/32"),
    },
}


def read(path: Path) -> dict[str, str]:
    """The settings in `path`; SystemExit where it is missing or a line is no NAME=value."""
    if not path.is_file():
        sys.exit(f"marque: error: {path}: no such file; copy settings.env.example beside it and fill it in")
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        sys.exit(f"marque: error: {path}: expected a text in UTF-8, cannot read it: {error}")
    settings = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or name != name.strip():
            sys.exit(f"marque: error: {path}: line {number}: expected NAME=value without spaces, received {line!r}")
        settings[name] = value
    return settings


def problems(settings: dict[str, str], example: dict[str, str], target: str) -> list[str]:
    """What is wrong for `target`, each in a few words."""
    found = []
    for name, (pattern, expected) in NEEDS[target].items():
        value = settings.get(name, "")
        if not value:
            found.append(f"{name} is missing ({expected})")
        elif not re.fullmatch(pattern, value):
            found.append(f"{name}: expected {expected}, received {value!r}")
        elif value == example.get(name) and name not in ("REGION", "BUDGET"):
            found.append(f"{name} is still the example's ({expected})")
    return found


def main(target: str, *flags: str) -> None:
    if target not in NEEDS:
        sys.exit(f"marque: error: expected one of {', '.join(NEEDS)}, received {target!r}")
    if not NEEDS[target]:
        return
    path = HERE / "settings.env"
    settings = read(path)
    if found := problems(settings, read(HERE / "settings.env.example"), target):
        sys.exit(f"marque: error: {path}: {'; '.join(found)}")
    if "--terraform" in flags:
        sys.stdout.writelines(f"TF_VAR_{name.lower()}={settings[name]}\n" for name in NEEDS["terraform"])


if __name__ == "__main__":
    main(*(sys.argv[1:] or [""]))
