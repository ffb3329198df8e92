"""The parameters of a compiled pipeline: read from its YAML, given as text on a command line.

A local source comes with a fingerprint of its files' names, sizes and times (`source_version`), so that kfp's cache does not answer
for a source that has changed.
"""

import dataclasses
import hashlib
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from components.common.errors import UserError
from components.common.settings import build, field_types, pairs
from components.deploy.champion import NEWEST, NONE
from components.evaluate.gate import Demands
from components.train import presets
from components.train.config import TrainConfig
from components.validate.limits import Limits


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(text)
    return number


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


CONVERTERS: dict[str, tuple[Callable[[str], Any], str]] = {
    "STRING": (str, "text"),
    "NUMBER_INTEGER": (int, "a whole number"),
    "NUMBER_DOUBLE": (_finite, "a number"),
    "BOOLEAN": (_truth, "true or false"),
}


def read_types(pipeline: Path) -> dict[str, str]:
    """The parameters' names and kfp types.

    Raises:
        UserError: the file is missing or is no compiled pipeline.
    """
    try:
        spec = next(yaml.safe_load_all(pipeline.read_text("utf-8")))
        return {name: entry["parameterType"] for name, entry in spec["root"]["inputDefinitions"]["parameters"].items()}
    except FileNotFoundError:
        raise UserError(f"{pipeline}: no such file; write it with `python -m pipelines compile`") from None
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, StopIteration) as error:
        raise UserError(f"{pipeline}: expected a pipeline written by `python -m pipelines compile`: {error}") from None


def parse_settings(settings: Sequence[str], types: dict[str, str]) -> dict[str, Any]:
    """`["epochs=3", …]` -> `{"epochs": 3, …}`.

    Raises:
        UserError: not of the form name=value, an unknown name, or a value of the wrong type.
    """
    parsed = {}
    for name, text in pairs(settings).items():
        if name not in types:
            raise UserError(f"--set: expected one of {', '.join(sorted(types))}, received {name!r}")
        convert, expected = CONVERTERS[types[name]]
        try:
            parsed[name] = convert(text)
        except ValueError:
            raise UserError(f"--set {name}: expected {expected}, received {text!r}") from None
    return parsed


def collect(source: str, repository: str, preset_name: str, settings: Sequence[str], types: dict[str, str]) -> dict[str, Any]:
    """All parameters of a run: the preset's, over them `settings`, which name pipeline parameters, or fields of `TrainConfig`, of
    the gate's `Demands` or of validation's `Limits`.

    Raises:
        UserError: as `parse_settings`, an unknown preset, or a value that a step would refuse later.
    """
    chosen = presets.load(preset_name) if preset_name else presets.Preset("", {}, {})
    grouped: dict[str, tuple[type, dict[str, Any]]] = {
        "train_settings": (TrainConfig, chosen.train),
        "gate_settings": (Demands, chosen.gate),
        "validate_settings": (Limits, {}),
    }
    fields = {name: group for group, (kind, _) in grouped.items() for name in field_types(kind)}
    named = {name: kind for name, kind in types.items() if kind in CONVERTERS}
    given = parse_settings(settings, {**dict.fromkeys(fields, "STRING"), **named})
    parameters = {
        **source_parameters(source),
        "repository": repository,
        **{name: value for name, value in given.items() if name not in fields},
    }
    champion = parameters.get("champion", NEWEST)
    if "/" not in champion and not champion.isdecimal() and champion not in (NEWEST, NONE):
        raise UserError(f"champion: expected {NEWEST}, {NONE}, a version's number or an address, received {champion!r}")
    if parameters.get("keep_versions", 1) < 1:
        raise UserError(f"keep_versions: expected at least 1, received {parameters['keep_versions']}")
    for group, (kind, preset) in grouped.items():
        own = {name: value for name, value in given.items() if fields.get(name) == group}
        parameters[group] = dataclasses.asdict(build(kind, {**preset, **own}, group))
    return parameters


def source_parameters(source: str) -> dict[str, str]:
    """`source`, a local one as an absolute path, and its `source_version`."""
    if not source:
        raise UserError("source: expected a folder, an archive, gs://, https:// or toy://, received nothing")
    path = Path(source)
    return {"source": str(path.absolute()), "source_version": _fingerprint(path)} if path.exists() else {"source": source}


def _fingerprint(path: Path) -> str:
    digest = hashlib.sha256()
    files = [Path(folder, name) for folder, _, names in os.walk(path, followlinks=True) for name in names] or [path]
    for file in sorted(files):
        stat = file.stat() if file.exists() else file.lstat()
        digest.update(f"{file}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode())
    return digest.hexdigest()[:16]
