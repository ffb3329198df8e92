"""The search space: a distribution for each setting that is searched, given as plain values, checked against `TrainConfig`."""

import dataclasses
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from components.common.errors import UserError
from components.train.config import TrainConfig

Space = dict[str, BaseDistribution]


def load(path: Path | None = None) -> dict[str, Any]:
    """The entries of a YAML file, or of `space.yaml` beside this module.

    Raises:
        UserError: no such file, or no mapping in it.
    """
    source = path or resources.files(__package__) / "space.yaml"
    try:
        entries = yaml.safe_load(source.read_text("utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; expected a search space as YAML") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: expected a search space as YAML: {error}") from None
    if not isinstance(entries, dict):
        raise UserError(f"{path}: expected `setting: {{low, high}}` or `setting: {{choices}}` as YAML, received {entries!r}")
    return entries


def parse(entries: Mapping[str, Any], base: TrainConfig) -> Space:
    """The distributions of `entries` (`space.yaml` shows their form), each of whose ends or choices is valid beside `base`.

    Raises:
        UserError: nothing to search, `epochs`, an unknown setting, or one that cannot be searched so.
    """
    if not entries:
        raise UserError("space: expected at least one setting to search, received none")
    if "epochs" in entries:
        raise UserError("space: expected other settings than epochs, which tune sets for its trials; see trial_epochs")
    return {name: _distribution(name, entry, base) for name, entry in sorted(entries.items())}


def _distribution(name: str, entry: Any, base: TrainConfig) -> BaseDistribution:
    # train's own checks name the setting; whole numbers come back as such, though kfp passes them on as floats
    def checked(value: Any) -> Any:
        try:
            return getattr(TrainConfig.of({**dataclasses.asdict(base), name: value}), name)
        except UserError as error:
            raise UserError(f"space: {error}") from None

    keys = set(entry) if isinstance(entry, Mapping) else set()
    if keys == {"choices"} and isinstance(entry["choices"], list) and entry["choices"]:
        return CategoricalDistribution([checked(choice) for choice in entry["choices"]])
    if {"low", "high"} <= keys <= {"low", "high", "log", "step"}:
        low, high = checked(entry["low"]), checked(entry["high"])
        log, step = bool(entry.get("log")), entry.get("step")
        try:
            if type(low) is int:
                return IntDistribution(low, high, log=log, step=int(step or 1))
            if type(low) is float:
                return FloatDistribution(low, high, log=log, step=float(step) if step else None)
        except (TypeError, ValueError, ArithmeticError) as error:
            raise UserError(f"space: {name}: expected bounds and step that are numbers, received {entry!r} ({error})") from None
    raise UserError(f"space: {name}: expected low and high (and log or step) of a number, or choices, received {entry!r}")
