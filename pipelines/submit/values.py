"""The parameters of a run as a user gives them: a YAML or JSON file, `-p name=value`, and over which names the pipeline has.

A place (`source`, `repository`, …) has to be one that the cluster's pods can reach: an address, or a folder of a volume that the
pipeline mounts.
"""

import json
from collections.abc import Mapping, Sequence
from functools import reduce
from operator import getitem
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from components.common.errors import UserError
from components.common.settings import build
from components.evaluate.gate import Demands
from components.train.config import TrainConfig
from components.validate.limits import Limits
from pipelines.parameters import CONVERTERS

STRUCTURED: dict[str, tuple[type, str]] = {"STRUCT": (dict, "a JSON object"), "LIST": (list, "a JSON list")}
KINDS: dict[str, tuple[type, ...]] = {
    "STRING": (str,),
    "NUMBER_INTEGER": (int,),
    "NUMBER_DOUBLE": (int, float),
    "BOOLEAN": (bool,),
    "STRUCT": (dict,),
    "LIST": (list,),
}
SETTINGS: dict[str, type] = {"train_settings": TrainConfig, "gate_settings": Demands, "validate_settings": Limits}
PARTS = (
    (("pipelineInfo", "name"), ("deploymentSpec", "executors"), ("components",), ("root", "dag", "tasks")),
    (("platforms", "kubernetes", "deploymentSpec", "executors"),),
)
"""What the two documents of a compiled pipeline have in any case: the graph's, and those of what it asks of Kubernetes."""
PLACES = ("source", "repository", "photos", "model", "output")


def read_documents(pipeline: Path) -> list[dict[str, Any]]:
    """The compiled YAML: the graph, and what it asks of Kubernetes.

    Raises:
        UserError: missing, or no compiled pipeline.
    """
    try:
        documents = list(yaml.safe_load_all(pipeline.read_text("utf-8")))
        for document, paths in zip(documents or [{}], PARTS, strict=False):
            for path in paths:
                reduce(getitem, path, document)
    except FileNotFoundError:
        raise UserError(f"{pipeline}: no such file; write it with `python -m pipelines compile`") from None
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{pipeline}: expected a pipeline written by `python -m pipelines compile`: {error}") from None
    return documents


def read_file(path: Path, types: Mapping[str, str]) -> dict[str, Any]:
    """The parameters in a YAML or JSON file, one name a key.

    Raises:
        UserError: no such file, no mapping, an unknown name, or a value of the wrong type.
    """
    try:
        values = yaml.safe_load(path.read_text("utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{path}: expected YAML or JSON: {error}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path}: expected `name: value` lines, received {type(values).__name__ if values else 'nothing'}")
    for name, value in values.items():
        _check_name(str(name), types, str(path))
        if not isinstance(value, KINDS[types[name]]) or (isinstance(value, bool) and types[name] != "BOOLEAN"):
            raise UserError(f"{path}: {name}: expected {_expected(types[name])}, received {value!r}")
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            raise UserError(f"{path}: {name}: expected what JSON can hold, received {value!r}") from None
    return values


def parse_pairs(pairs: Sequence[str], types: Mapping[str, str]) -> dict[str, Any]:
    """`["epochs=3", 'train_settings={"epochs": 3}', …]` by the pipeline's types; of a name that comes twice, the last counts.

    Raises:
        UserError: not of the form name=value, an unknown name, or a value of the wrong type.
    """
    values = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise UserError(f"-p: expected name=value, received {pair!r}")
        _check_name(name, types, "-p")
        try:
            values[name] = _converted(text, types[name])
        except (ValueError, RecursionError):
            raise UserError(f"-p {name}: expected {_expected(types[name])}, received {text!r}") from None
    return values


def check(values: Mapping[str, Any], documents: Sequence[Mapping[str, Any]]) -> None:
    """That nothing is missing, and that pods can reach every place.

    Raises:
        UserError: something is, or they cannot.
    """
    defined = documents[0]["root"].get("inputDefinitions", {}).get("parameters", {})
    missing = [name for name, entry in defined.items() if not entry.get("isOptional") and name not in values]
    if missing:
        raise UserError(f"expected a value for {', '.join(missing)}: --source, --repository, -p name=value or --parameters FILE")
    volumes = _mounts(documents)
    for name in PLACES:
        place = values.get(name, "")
        inside = any(PurePosixPath(place).is_relative_to(volume) for volume in volumes)
        if place and name in defined and "://" not in place and not inside:
            mounted = f", or a folder in {', '.join(sorted(volumes))}" if volumes else ""
            raise UserError(f"{name}: expected an address that the cluster can reach (gs://…){mounted}, received {place!r}")


def check_settings(values: Mapping[str, Any]) -> None:
    """That steps take the settings among `values`, before a cluster has worked for hours.

    Raises:
        UserError: an unknown setting, or a value that a step would refuse.
    """
    for name, kind in SETTINGS.items():
        build(kind, values.get(name, {}), name)


def _mounts(documents: Sequence[Mapping[str, Any]]) -> set[str]:
    platforms = [reduce(getitem, PARTS[1][0], document) for document in documents[1:2]]
    executors = [executor for platform in platforms for executor in platform.values()]
    return {mount["mountPath"] for executor in executors for mount in executor.get("pvcMount", [])}


def _check_name(name: str, types: Mapping[str, str], where: str) -> None:
    if name not in types:
        raise UserError(f"{where}: expected one of {', '.join(sorted(types))}, received {name!r}")


def _converted(text: str, kind: str) -> Any:
    if kind in CONVERTERS:
        return CONVERTERS[kind][0](text)
    value = json.loads(text, parse_constant=_refuse)
    if not isinstance(value, STRUCTURED[kind][0]):
        raise ValueError(text)
    return value


def _refuse(text: str) -> None:
    raise ValueError(text)


def _expected(kind: str) -> str:
    return CONVERTERS[kind][1] if kind in CONVERTERS else STRUCTURED[kind][1]
