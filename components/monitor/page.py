"""The page of a check: one HTML file that holds all it shows and loads nothing. Names from outside are text, never markup."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.common.figures import DARK, LIGHT
from components.common.templates import environment
from components.monitor import pictures
from components.monitor.measures import Measures, Strange
from components.monitor.verdict import NUMBERS, p_value

UNITS = {
    "confidence": "probability of the best answer",
    "box_size": "box, share of the photo's area",
    "brightness": "mean luma, 0 black to 255 white",
    "sharpness": "variance of the Laplacian at 128 px",
}
STRANGEST = {"confidence": "Least sure", "brightness": "Darkest", "sharpness": "Blurriest"}


@dataclass(frozen=True)
class Chart:
    """One comparison: its `test` of drift.json and a picture as PNG bytes, for a light and for a dark page."""

    test: Mapping[str, Any]
    light: bytes
    dark: bytes


def render(result: Mapping[str, Any], reference: Measures, recent: Measures, strangest: Mapping[str, Sequence[Strange]]) -> str:
    """The page as HTML; `result` is what drift.json holds."""
    templates = environment(Path(__file__).parent)
    templates.filters["base64"] = lambda content: base64.b64encode(content).decode("ascii")
    templates.filters["p_value"] = p_value
    templates.filters["short"] = lambda value: f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    tests = {test["name"]: test for test in result["tests"]}
    charts = [_mix(tests["class mix"])] if tests else []
    for field, name in NUMBERS.items():
        if name in tests:
            pair = getattr(reference, field), getattr(recent, field)
            light, dark = (pictures.distributions(*pair, UNITS[field], theme) for theme in (LIGHT, DARK))
            charts.append(Chart(tests[name], light, dark))
    groups = [(title, NUMBERS[field], strangest[field]) for field, title in STRANGEST.items() if strangest[field]]
    return templates.get_template("page.html.j2").render(
        result=result, charts=charts, groups=groups, left_out=result["undecodable"] + result["unknown_class"]
    )


def _mix(test: Mapping[str, Any]) -> Chart:
    light, dark = (pictures.class_mix(test["changed"], theme) for theme in (LIGHT, DARK))
    return Chart(test, light, dark)
