"""The last check before a model is published: its evaluation must reach the thresholds.

The pipeline asks evaluate's verdict already; deploy asks again, so that nothing but good figures leads into a repository.
"""

import json
from pathlib import Path

from components.common.errors import UserError


def check_metrics(metrics: Path, minimums: dict[str, float]) -> dict[str, float]:
    """Reads evaluate's metrics.json and returns the figures named in `minimums`, all of which reach theirs.

    Raises:
        UserError: no such file, not JSON, a figure missing or not a number, or a figure below its minimum (or NaN).
    """
    figures = _read(metrics, list(minimums))
    if not all(figures[name] >= minimum for name, minimum in minimums.items()):
        compared = ", ".join(f"{name} {figures[name]:.3f} (minimum {minimum:.3f})" for name, minimum in minimums.items())
        raise UserError(f"the model is not good enough to deploy: {compared}; train a better one or lower the thresholds")
    return figures


def _read(metrics: Path, names: list[str]) -> dict[str, float]:
    try:
        content = json.loads(metrics.read_text("utf-8"))
    except OSError as error:
        raise UserError(f"{metrics}: expected the metrics.json that evaluate writes, cannot read it: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{metrics}: expected JSON (the metrics.json that evaluate writes): {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"{metrics}: expected a JSON object with {', '.join(names)}, received a {type(content).__name__}")
    for name in names:
        if isinstance(content.get(name), bool) or not isinstance(content.get(name), int | float):
            raise UserError(f"{metrics}: expected a number {name!r}, received {content.get(name)!r}; run evaluate again")
    return {name: float(content[name]) for name in names}
