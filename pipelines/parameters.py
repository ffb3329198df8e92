"""The parameters of a compiled pipeline: read from its YAML, given as text on a command line.

A local source comes with a fingerprint of its files' names, sizes and times (`source_version`), so that kfp's cache does not answer
for a source that has changed.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from components.common.errors import UserError

CONVERTERS: dict[str, Callable[[str], Any]] = {"STRING": str, "NUMBER_INTEGER": int, "NUMBER_DOUBLE": float}


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
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise UserError(f"--set: expected name=value, received {setting!r}")
        if name not in types:
            raise UserError(f"--set: expected one of {', '.join(sorted(types))}, received {name!r}")
        try:
            parsed[name] = CONVERTERS[types[name]](text)
        except ValueError:
            raise UserError(f"--set {name}: expected {CONVERTERS[types[name]].__name__}, received {text!r}") from None
    return parsed


def source_parameters(source: str) -> dict[str, str]:
    """`source`, a local one as an absolute path, and its `source_version`."""
    path = Path(source)
    return {"source": str(path.absolute()), "source_version": _fingerprint(path)} if path.exists() else {"source": source}


def _fingerprint(path: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        stat = file.stat()
        digest.update(f"{file}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode())
    return digest.hexdigest()[:16]
