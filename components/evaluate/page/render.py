"""The pages of an evaluation: HTML that holds all it shows, opens from a file and loads nothing.

Every name that comes from outside (classes, files, slices, reasons) is text, never markup: Jinja escapes it, the scripts make text
nodes of it, and `plain()` in chart.js escapes it for Plotly, which reads tags and entities in its labels. The one exception is the
model card, which arrives as HTML.

The scripts are plain functions in one scope, in the order of the template; each file has one job.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from plotly.offline import get_plotlyjs

from components.common.templates import environment
from components.evaluate.page.figures import FURTHER, HEADLINE, known


def render_report(page: Mapping[str, Any]) -> str:
    """The report of one model as HTML.

    Args:
        page: plain values that JSON can hold. Ids are places in `classes`; shares and intervals are 0-1.

            `metrics`: `split`, `photos`, `classes` (how many), `images_per_s`, `latency_ms` {`p50`, `p95`}; the figures of
            figures.py and `mean_box_iou_baseline`; `intervals` {figure: [low, high]} (95%) from `resamples`; `blessed`, `reasons`,
            and `override`, why somebody deploys in spite of the verdict ("" for none).
            `classes`: names by id. `orders` {name: ids}: the first is shown first.
            `confusion`: [true id, predicted id, photos], cells that are not zero.
            `per_class`, by id: `class`, `precision`, `recall`, `f1`, `support`, `mean_iou` (null without photos).
            `confused`, most photos first: `true` and `predicted` (names), `photos`, `share` of the true class.
            `slices`: `dimension`, `value`, `photos`, `top1` and `mean_iou`, each also with `_low` and `_high`, `weak`.
            `calibration`, bins: `low`, `high`, `photos`, `confidence`, `accuracy` (both null in an empty bin).
            `iou`: `edges` and `photos` of a histogram. `history`: columns by name, `epoch` among them, or null.
            `data`: `source`, photos by class id of `train`, `validation` and `test`, `rejected` [reason, photos].
            `card`: the model card, HTML that is safe to show.
            `heat`: `file`, `true`, `predicted` (names), `score`, `picture` (base64 JPEG: photo, class map, box map side by side).
            `photos`: `file`, `picture` (base64 JPEG), `width` and `height` of the original, `true`, `predicted` (ids), `score`,
            `iou`, `true_box` and `predicted_box` as [x, y, width, height] in pixels of the original.
            `photos_left_out`: how many have no picture here.
    """
    data = {key: value for key, value in page.items() if key != "card"}
    return _templates().get_template("report.html.j2").render(page=page, data=_json(data), plotly=get_plotlyjs())


def render_comparison(page: Mapping[str, Any]) -> str:
    """The comparison of models a and b on the same photos as HTML.

    Args:
        page: plain values as in `render_report`.

            `names` [a, b]; `metrics` [of a, of b]; `differences` {figure: {`difference` (b - a), `low`, `high`}} (95%, paired);
            `counts` of photos recognised by `both`, `only_a`, `only_b`, `neither`; `classes`.
            `per_class`, by id: `class`, `support`, `recall_a`, `recall_b`, `iou_a`, `iou_b` (null without photos).
            `slices`: `dimension`, `value`, `photos`, `difference` of top-1, `low`, `high`.
            `photos`: as in a report, with `predicted_`, `score_`, `iou_` and `box_` of `a` and `b`; `photos_left_out`.
    """
    return _templates().get_template("comparison.html.j2").render(page=page, data=_json(page))


def _templates() -> jinja2.Environment:
    folder = Path(__file__).parent
    templates = environment(folder)
    templates.globals |= {
        "asset": lambda name: (folder / name).read_text(encoding="utf-8"),
        "headline": lambda metrics: known(metrics, HEADLINE),
        "further": lambda metrics: known(metrics, FURTHER),
    }
    templates.filters["percent"] = lambda share: f"{share:.1%}"
    return templates


def _json(data: Mapping[str, Any]) -> str:
    """JSON for a script element: without `<`, nothing in it ends the element or starts a comment. NaN is an error."""
    return json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
