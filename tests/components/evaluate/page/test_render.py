"""What the pages hold: every name as text, the data unchanged, nothing to load, words where there is nothing."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from plotly.offline import get_plotlyjs

from components.evaluate.page.render import render_comparison, render_report

Make = Callable[..., dict[str, Any]]
HOSTILE = ["</script><script>alert(1)</script>", "<!--<script>", '"><img src=x onerror=alert(1)>', "A & B $x$ {{ 7 * 7 }}"]


class Elements(HTMLParser):
    """The elements of a page as a browser's parser sees them, and the text of its data."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.data = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        if self.elements and self.elements[-1] == ("script", {"type": "application/json", "id": "page-data"}) and not self.data:
            self.data = data

    def tags(self) -> list[str]:
        return [tag for tag, _ in self.elements]


@pytest.fixture(params=["report", "comparison"])
def rendered(
    request: pytest.FixtureRequest, make_report: Make, make_comparison: Make
) -> Callable[[list[str]], tuple[dict[str, Any], str]]:
    def render(names: list[str]) -> tuple[dict[str, Any], str]:
        if request.param == "report":
            page = make_report(names, 12)
            page["metrics"]["reasons"], page["data"]["source"], page["data"]["rejected"] = names, names[0], [[names[1], 2]]
            return page, render_report(page)
        page = make_comparison(names, 12)
        page["names"] = names[:2]
        return page, render_comparison(page)

    return render


def test_names_are_text(rendered: Callable[[list[str]], tuple[dict[str, Any], str]]) -> None:
    plain = Elements(rendered(["A", "B", "C", "D"])[1])
    hostile = Elements(rendered(HOSTILE)[1])
    assert hostile.tags() == plain.tags()
    assert not [name for _, attributes in hostile.elements for name in attributes if name.startswith("on")]


def test_data_comes_through_unchanged(rendered: Callable[[list[str]], tuple[dict[str, Any], str]]) -> None:
    page, html = rendered(HOSTILE)
    page.pop("card", None)
    assert json.loads(Elements(html).data) == page


def test_loads_nothing(rendered: Callable[[list[str]], tuple[dict[str, Any], str]]) -> None:
    html = rendered(["A", "B", "C", "D"])[1]
    ours = html.replace(get_plotlyjs(), "")
    assert set(re.findall(r"https?://[^\s\"']+", ours)) <= {"http://www.w3.org/2000/svg"}
    for _, attributes in Elements(html).elements:
        for name in ("src", "href", "srcset", "action"):
            assert (attributes.get(name) or "#").startswith(("#", "data:"))
    policy = next(
        attributes["content"]
        for _, attributes in Elements(html).elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy


def test_not_a_number_is_refused(make_report: Make) -> None:
    page = make_report(["A", "B"], 4)
    page["metrics"]["ece"] = float("nan")
    with pytest.raises(ValueError, match="JSON"):
        render_report(page)


@pytest.mark.parametrize(
    ("blessed", "override", "title"),
    [(True, "", "Blessed"), (False, "", "Refused"), (True, "the old one <is> down", "Let through against the verdict")],
)
def test_verdict(make_report: Make, blessed: bool, override: str, title: str) -> None:
    page = make_report(["A", "B"], 4)
    page["metrics"] |= {"blessed": blessed, "override": override}
    html = render_report(page)
    assert f">{title}</h2>" in html
    assert ("the old one &lt;is&gt; down" in html) == bool(override)


def test_figures_stand_with_their_intervals(make_report: Make) -> None:
    page = make_report(["A", "B"], 4)
    page["metrics"]["intervals"] = {"top1": [0.45, 0.55]}
    html = render_report(page)
    assert '50.0%</span><span class="interval">45.0\N{EN DASH}55.0%' in html
    assert html.count('class="interval"') == 2  # top-1, and the 95th percentile of the latency
    assert "20.0 ms" in html
    assert "no better than always answering" not in html


def test_boxes_below_the_baseline_are_named(make_report: Make) -> None:
    page = make_report(["A", "B"], 4)
    page["metrics"]["mean_box_iou_baseline"] = 0.99
    assert "no better than always answering the mean training box" in render_report(page)


def test_where_there_is_nothing_stand_words(make_report: Make) -> None:
    page = make_report(["A", "B"], 4)
    words = [
        "No history came with the model.",
        "None were drawn.",
        "Nothing: every photo of the source was used.",
        "the photos were not sliced",
    ]
    assert not [each for each in words if each in render_report(page)]
    page |= {"history": None, "heat": [], "slices": [], "data": page["data"] | {"rejected": []}}
    assert not [each for each in words if each not in render_report(page)]


def test_a_class_without_training_photos_is_counted(make_report: Make) -> None:
    page = make_report(["A", "B"], 4)
    page["data"]["train"] = [9, 0]
    assert "1 class has no training photo" in render_report(page)


def test_comparison_says_what_is_clear(make_comparison: Make) -> None:
    page = make_comparison(["A", "B"], 4)
    page["differences"] = {
        "top1": {"difference": 0.02, "low": 0.01, "high": 0.03},
        "top5": {"difference": 0.02, "low": -0.01, "high": 0.05},
        "ece": {"difference": 0.02, "low": 0.01, "high": 0.03},
    }
    html = render_comparison(page)
    rows = {match[1]: match[0] for match in re.finditer(r"<tr>\s*<th[^>]*>([^<]*)</th>.*?</tr>", html, re.DOTALL)}
    assert "+2.0 pp" in rows["Top-1"]
    assert ">better<" in rows["Top-1"]
    assert ">not clearly different<" in rows["Top-5"]
    assert ">worse<" in rows["ECE"]
