"""Settings as a frozen dataclass with defaults, built from what a YAML file, a command line or kfp gives: checked, with one
message.
"""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from components.common.errors import UserError

T = TypeVar("T")
EXPECTED = {int: "a whole number", float: "a number", bool: "true or false", str: "text", dict: "a JSON object"}


def build(kind: type[T], settings: Mapping[str, Any], what: str) -> T:
    """The dataclass `kind` of `settings`, the others as by default.

    A whole number may come as a float, as kfp's do, and everything as text; `what` names the settings in errors.

    Raises:
        UserError: an unknown name, or a value of the wrong type.
    """
    types = field_types(kind)
    for name in settings:
        if name not in types:
            raise UserError(f"{what}: expected one of {', '.join(types)}, received {name!r}")
    return kind(**{name: _converted(name, value, types[name]) for name, value in settings.items()})


def pairs(settings: Sequence[str]) -> dict[str, str]:
    """`["epochs=3", …]` of a command's `--set` -> `{"epochs": "3", …}`; of a name that comes twice, the last counts.

    Raises:
        UserError: not of the form name=value.
    """
    for setting in settings:
        if "=" not in setting:
            raise UserError(f"--set: expected name=value, received {setting!r}")
    return dict(setting.split("=", 1) for setting in settings)


def field_types(kind: type) -> dict[str, type]:
    """The fields of a dataclass whose every field has a default, and the types of these."""
    defaults = kind()
    return {field.name: type(getattr(defaults, field.name)) for field in dataclasses.fields(kind)}


def _converted(name: str, value: Any, kind: type) -> Any:
    converted: Any = None
    if kind is bool:
        converted = {"true": True, "false": False}.get(str(value).lower())
    elif kind is str:
        converted = value if isinstance(value, str) else None
    elif kind is dict:
        converted = _object(value)
    else:
        number = _number(value)
        finite = math.isfinite(number) and (kind is float or number.is_integer())
        converted = kind(number) if finite else None
    if converted is None:
        raise UserError(f"{name}: expected {EXPECTED[kind]}, received {value!r}")
    return converted


def _number(value: Any) -> float:
    try:
        return float(value) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _object(value: Any) -> dict[str, Any] | None:
    try:
        parsed = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return None
    return dict(parsed) if isinstance(parsed, Mapping) else None
