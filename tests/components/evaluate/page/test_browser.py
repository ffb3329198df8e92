"""The pages in a browser: they draw without errors or requests, and clicking, sorting and filtering do what they say."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from components.evaluate.page.render import render_comparison, render_report

Make = Callable[..., dict[str, Any]]
Open = Callable[..., Page]
HOSTILE = ["<b>Alpha</b> & co $x$", "</script><script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "&lt;Delta&gt;"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Opens HTML from a file; what the browser complains about, and every request but the page's own, fails the test."""
    complaints: list[str] = []
    contexts = []

    def open_html(html: str, width: int = 1280) -> Page:
        path = tmp_path / "page.html"
        path.write_text(html, encoding="utf-8")
        context = browser.new_context(viewport=ViewportSize(width=width, height=900))
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url[:80]}"))
        page.on("request", lambda request: complaints.append(request.url) if request.url.startswith(("http", "ws")) else None)
        page.on("dialog", lambda dialog: complaints.append("a name was run as a script"))
        page.goto(path.as_uri(), wait_until="load")
        return page

    yield open_html
    for context in contexts:
        context.close()
    assert complaints == []


def draw_everything(page: Page) -> None:
    """Scrolls to every chart, as they are drawn when they come near."""
    for chart in page.locator(".chart").all():
        chart.scroll_into_view_if_needed()
        expect(chart).to_have_attribute("data-drawn", "yes")


def click_cell(page: Page, row: int, column: int, classes: int) -> None:
    """The middle of a cell, by its place on the screen."""
    plane = page.locator("#confusion-chart .nsewdrag").first
    plane.scroll_into_view_if_needed()
    box = plane.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * (column + 0.5) / classes, box["y"] + box["height"] * (row + 0.5) / classes)


def first_cells(page: Page, table: str, column: int = 1) -> list[str]:
    return [text.strip() for text in page.locator(f"{table} tbody td:nth-child({column})").all_inner_texts()]


@pytest.mark.parametrize("width", [1280, 390])
def test_report_draws_at_every_width(open_page: Open, make_report: Make, width: int) -> None:
    page = open_page(render_report(make_report(HOSTILE, 24)), width)
    draw_everything(page)
    assert page.locator(".chart").count() == 7  # confusion, IoU, calibration, three of training, data
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("width", [1280, 390])
def test_comparison_draws_at_every_width(open_page: Open, make_comparison: Make, width: int) -> None:
    page = open_page(render_comparison(make_comparison(HOSTILE, 24)), width)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    expect(page.locator("#figures .interval-mark")).to_have_count(13)
    expect(page.locator("#slice-table .interval-mark")).to_have_count(1)


def test_names_are_seen_as_they_are(open_page: Open, make_report: Make) -> None:
    page = open_page(render_report(make_report(HOSTILE, 24)))
    draw_everything(page)
    assert sorted(first_cells(page, "#class-table")) == sorted(HOSTILE)
    ticks = page.locator("#confusion-chart .ytick text").all_text_contents()
    assert {tick.rstrip("…") for tick in ticks} == {name if len(name) <= 22 else name[:21] for name in HOSTILE}


@pytest.mark.parametrize(
    ("row", "column", "title", "file"),
    [(1, 1, "Beta, recognised: 4 photos", "photo-1.jpg"), (3, 0, "Delta, taken for Alpha: 2 photos", "photo-3.jpg")],
)
def test_a_cell_shows_its_photos(open_page: Open, make_report: Make, row: int, column: int, title: str, file: str) -> None:
    page = open_page(render_report(make_report(["Alpha", "Beta", "Gamma", "Delta"], 24)))
    draw_everything(page)
    click_cell(page, row, column, classes=4)
    expect(page.locator("#cell-title")).to_have_text(title)
    expect(page.locator("#cell figcaption .quiet").first).to_contain_text(file)


def test_a_small_matrix_says_how_many_photos_and_nothing_where_there_are_none(open_page: Open, make_report: Make) -> None:
    data = make_report(["Alpha", "Beta", "Gamma", "Delta"], 24)
    page = open_page(render_report(data))
    draw_everything(page)
    numbers = page.locator("#confusion-chart .heatmap-label").all_text_contents()
    assert sorted(filter(None, numbers)) == sorted(str(photos) for _, _, photos in data["confusion"])


def test_a_zoom_outlives_a_choice(open_page: Open, make_report: Make) -> None:
    page = open_page(render_report(make_report(["Alpha", "Beta", "Gamma", "Delta"], 24)))
    draw_everything(page)
    plane = page.locator("#confusion-chart .nsewdrag").first
    plane.scroll_into_view_if_needed()
    box = plane.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.7 * box["height"], steps=5)
    page.mouse.up()
    labels = page.locator("#confusion-chart .xtick text")
    expect(labels).to_have_text(["Beta", "Gamma"])
    page.locator("#pairs tbody tr", has_text="Delta").first.click()
    expect(page.locator("#cell-title")).to_contain_text("Delta")
    expect(labels).to_have_text(["Beta", "Gamma"])


def test_the_order_of_the_matrix_can_be_chosen(open_page: Open, make_report: Make) -> None:
    page = open_page(render_report(make_report(["Alpha", "Beta", "Gamma", "Delta"], 24)))
    draw_everything(page)
    page.locator("#confusion-order").select_option("by similarity")  # the reverse
    expect(page.locator("#confusion-chart .xtick text").first).to_have_text("Delta")
    click_cell(page, row=0, column=3, classes=4)
    expect(page.locator("#cell-title")).to_have_text("Delta, taken for Alpha: 2 photos")


def test_a_pair_shows_its_photos_without_a_mouse(open_page: Open, make_report: Make) -> None:
    page = open_page(render_report(make_report(["Alpha", "Beta", "Gamma", "Delta"], 24)))
    page.locator("#pairs tbody tr", has_text="Gamma").get_by_role("button").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#cell-title")).to_contain_text("taken for")
    assert page.locator("#pairs tr[aria-current]").count() == 1
    chosen = page.locator("#pairs tr[aria-current] td").all_inner_texts()
    expect(page.locator("#cell-title")).to_have_text(f"{chosen[0]}, taken for {chosen[1]}: 2 photos")


def test_photos_that_are_not_in_the_page_are_counted(open_page: Open, make_report: Make) -> None:
    data = make_report(["Alpha", "Beta"], 24)
    data["photos"], data["photos_left_out"] = data["photos"][:7], 17
    page = open_page(render_report(data))
    first = data["confused"][0]
    here = sum(
        data["classes"][p["true"]] == first["true"] and data["classes"][p["predicted"]] == first["predicted"]
        for p in data["photos"]
    )
    expect(page.locator("#cell-title")).to_contain_text(f"{first['photos']} photos; {first['photos'] - here} not in this page")
    expect(page.locator("#photos")).to_contain_text("17 photos are left out")


def test_classes_sort_and_filter(open_page: Open, make_report: Make) -> None:
    data = make_report(["Alpha", "Beta", "Gamma", "Delta"], 24)
    for place, row in enumerate(data["per_class"]):
        row |= {
            "recall": (2 + 2 * place) / 10,
            "precision": (9 - 2 * place) / 10,
            "f1": 0.5,
            "mean_iou": None if place == 1 else 0.1 * place,
        }
    page = open_page(render_report(data))
    head = page.locator("#class-table thead")
    head.get_by_role("button", name="class").click()
    assert first_cells(page, "#class-table") == ["Alpha", "Beta", "Delta", "Gamma"]
    head.get_by_role("button", name="class").click()
    assert first_cells(page, "#class-table") == ["Gamma", "Delta", "Beta", "Alpha"]
    expect(head.locator("th[aria-sort]")).to_have_attribute("aria-sort", "descending")
    head.get_by_role("button", name="mean IoU").click()
    assert first_cells(page, "#class-table") == ["Alpha", "Gamma", "Delta", "Beta"]
    head.get_by_role("button", name="mean IoU").click()
    assert first_cells(page, "#class-table") == ["Delta", "Gamma", "Alpha", "Beta"]  # no value: last either way

    page.get_by_label("Recall at most").fill("0.6")
    assert sorted(first_cells(page, "#class-table")) == ["Alpha", "Beta", "Gamma"]
    page.get_by_label("Precision at most").fill("0.8")
    assert sorted(first_cells(page, "#class-table")) == ["Beta", "Gamma"]
    page.get_by_role("searchbox", name="Name").fill("GAM")
    assert first_cells(page, "#class-table") == ["Gamma"]
    expect(page.locator("#class-count")).to_contain_text("1 of 4 classes")

    page.locator("#class-table tbody tr").click()
    expect(page.locator("#class-title")).to_contain_text("Gamma")
    expect(page.locator("#class-photos figure")).to_have_count(8)  # its six, and two of Beta that were taken for it


def test_the_wall_filters_and_grows(open_page: Open, make_report: Make) -> None:
    page = open_page(render_report(make_report(["Alpha", "Beta", "Gamma", "Delta"], 96)))
    wall = page.locator("#wall figure")
    expect(wall).to_have_count(24)
    expect(page.locator("#wall figure .wrong")).to_have_count(24)
    expect(wall.first).to_contain_text("photo-93.jpg")  # the surest mistake
    page.locator("#wall").get_by_role("button", name="Show more").click()
    expect(wall).to_have_count(32)
    expect(page.locator("#wall .more")).to_be_hidden()
    page.get_by_role("combobox", name="Show", exact=True).select_option("right")
    expect(page.locator("#wall figure .wrong")).to_have_count(0)
    expect(wall.first).to_contain_text("photo-1.jpg")  # the least sure
    page.get_by_role("combobox", name="of", exact=True).select_option(label="Beta")
    expect(wall).to_have_count(16)
    page.get_by_role("combobox", name="Show", exact=True).select_option("boxes")
    expect(wall.first).to_contain_text("IoU 0.40")
    for kind, width in (("true", "400"), ("predicted", "380")):
        expect(wall.first.locator(f"rect.{kind}")).to_have_attribute("width", width)


def test_nothing_confused_is_said(open_page: Open, make_report: Make) -> None:
    data = make_report(["Alpha", "Beta"], 6)
    data |= {"confusion": [[0, 0, 3], [1, 1, 3]], "confused": []}
    data["photos"] = [photo | {"predicted": photo["true"]} for photo in data["photos"]]
    page = open_page(render_report(data))
    expect(page.locator("#pairs")).to_have_text("None: every photo got its own class.")
    expect(page.locator("#wall figure")).to_have_count(6)
    expect(page.locator("#wall figure .wrong")).to_have_count(0)


def test_comparison_shows_what_only_one_recognises(open_page: Open, make_comparison: Make) -> None:
    page = open_page(render_comparison(make_comparison(["Alpha", "Beta", "Gamma", "Delta"], 16)))
    wall = page.locator("#wall figure")
    expect(wall).to_have_count(4)
    expect(wall.first).to_contain_text("challenger: right")
    expect(wall.first).to_contain_text("photo-2.jpg")
    page.get_by_role("button", name="only champion is right").click()
    expect(wall.first).to_contain_text("champion: right")
    page.get_by_role("button", name="both are wrong").click()
    expect(wall.first.locator(".wrong")).to_have_count(2)
    page.get_by_role("combobox", name="Photos of").select_option(label="Alpha")
    expect(page.locator("#wall")).to_contain_text("No such photos")

    page.locator("#class-table thead").get_by_role("button", name="difference", exact=True).click()
    assert first_cells(page, "#class-table")[0] == "Delta"  # the second click turns the order round
    page.get_by_label("Recall differs by at least").fill("0.25")
    assert sorted(first_cells(page, "#class-table")) == ["Alpha", "Beta", "Delta"]
    page.locator("#class-table tbody tr", has_text="Beta").click()
    expect(page.locator("#class-photos figure")).to_have_count(4)


def test_a_full_page_is_small_and_drawn(open_page: Open, make_report: Make, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"Make {place // 8} Model {place} Convertible 2012" for place in range(196)]
    data = make_report(names, 1273, (104, 80))
    pictures = [len(photo["picture"]) * 3 / 4 for photo in data["photos"]]
    assert min(pictures) > 4500  # as heavy as the photos of the real page
    html = render_report(data)
    assert len(html.encode()) < 15e6
    start = time.monotonic()
    page = open_page(html)
    expect(page.locator("#confusion-chart")).to_have_attribute("data-drawn", "yes")
    seconds = time.monotonic() - start
    with capsys.disabled():
        print(f"\n{len(html.encode()) / 1e6:.1f} MB, drawn after {seconds:.2f} s")  # noqa: T201
    assert seconds < 20
    draw_everything(page)
    click_cell(page, row=100, column=100, classes=196)
    expect(page.locator("#cell-title")).to_contain_text(names[100])
