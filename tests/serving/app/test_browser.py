"""The app as a person uses it: started by its command, with the embedded server, in Chromium."""

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from components.common.dataset import open_dataset
from serving.app import theme
from serving.app.sources import Sources

OpenPage = Callable[..., Page]

pytestmark = pytest.mark.slow


@pytest.fixture
def photo(sources: Sources) -> tuple[str, bytes]:
    """A test photo of the toy set: its class and its bytes."""
    dataset = open_dataset(sources.dataset)
    rows = dataset.split("test").head(1)
    return dataset.classes[rows["label"].iloc[0]], next(dataset.photos(rows))


def go(page: Page, name: str, title: str) -> None:
    page.get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(title)


def upload(page: Page, data: bytes, name: str = "car.jpg") -> None:
    page.locator("input[type=file]").set_input_files({"name": name, "mimeType": "image/jpeg", "buffer": data})


def test_an_uploaded_photo_comes_back_with_its_answers_and_its_box(open_page: OpenPage, photo: tuple[str, bytes]) -> None:
    page = open_page()
    upload(page, photo[1])
    expect(page.locator(".m-bars li")).to_have_count(3)  # of three classes
    scores = [float(text.rstrip("%")) for text in page.locator(".m-bars .m-score").all_inner_texts()]
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) == pytest.approx(100, abs=0.3)
    expect(page.get_by_text("Answered by version 1.")).to_be_visible()  # stable comes first
    place = page.locator(".m-photo").bounding_box()
    box = page.locator("[data-box=predicted]").bounding_box()
    assert place is not None
    assert box is not None
    shares = [(box["x"] - place["x"]) / place["width"], (box["y"] - place["y"]) / place["height"], box["width"] / place["width"]]
    assert shares == pytest.approx([0.25, 0.25, 0.5], abs=0.01)  # version 1 sees the car in the middle half
    shown = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    expected = tuple(int(theme.PREDICTED[i : i + 2], 16) for i in (1, 3, 5))
    for x, y in ((box["x"] + 1.5, box["y"] + box["height"] / 2), (box["x"] + box["width"] / 2, box["y"] + 1.5)):
        assert shown.getpixel((round(x), round(y))) == pytest.approx(expected, abs=12)


def test_a_heat_map_lies_on_the_photo_when_it_is_asked_for(open_page: OpenPage, photo: tuple[str, bytes]) -> None:
    page = open_page()
    upload(page, photo[1])
    expect(page.locator(".m-bars")).to_be_visible()
    assert page.locator(".m-heat").count() == 0
    page.get_by_role("button", name="Draw it").click()
    expect(page.locator(".m-heat")).to_be_visible()
    expect(page.get_by_text("points of the score lost")).to_be_visible()
    page.get_by_test_id("stMain").get_by_text("the box", exact=True).click()
    expect(page.get_by_text("no single part matters here")).to_be_visible()  # the tiny model's box never moves


def test_what_is_no_photo_is_one_line(open_page: OpenPage, photo: tuple[str, bytes]) -> None:
    page = open_page()
    upload(page, b"I am a letter, not a car.", "letter.jpg")
    line = page.get_by_role("alert").locator("p")
    expect(line).to_contain_text("letter.jpg: expected a photo")
    assert "\n" not in line.inner_text()
    upload(page, photo[1][:300], "cut.jpg")
    expect(line).to_contain_text("cut.jpg: expected a photo")
    upload(page, b"x", "![a](https:example.org) car.jpg")  # read as Markdown it would be a picture from there
    expect(line).to_contain_text("![a](https:example.org) car.jpg: expected a photo")


def test_a_test_photo_is_known_on_every_page(open_page: OpenPage) -> None:
    page = open_page()
    page.get_by_text("Test photo", exact=True).click()
    expect(page.locator("[data-box=true]")).to_be_visible()
    expect(page.get_by_text(re.compile("predicted box, IoU 0"))).to_be_visible()
    go(page, "Compare", "Two versions")
    expect(page.locator("[data-box=predicted]")).to_have_count(2)
    for side in ("Answered by version 1.", "Answered by version 2."):
        expect(page.get_by_text(side)).to_be_visible()
    expect(page.locator(".m-table tbody tr")).to_have_count(8)
    widths = [page.locator("[data-box=predicted]").nth(side).bounding_box()["width"] for side in (0, 1)]  # type: ignore[index]
    assert widths[1] / widths[0] == pytest.approx(0.8 / 0.5, rel=0.03)


def test_photos_are_found_and_turned_over(open_page: OpenPage, sources: Sources) -> None:
    page = open_page()
    go(page, "Explore", "The photos")
    expect(page.locator(".m-gallery figure")).to_have_count(24)
    expect(page.locator(".m-gallery [data-box=true]")).to_have_count(24)
    page.get_by_role("button", name="Page 2", exact=True).click()
    expect(page.locator(".m-gallery figure")).to_have_count(12)  # of 36
    page.get_by_text("test", exact=True).click()
    tests = len(open_dataset(sources.dataset).split("test"))
    expect(page.get_by_text(f"{tests} photos, 1 to {tests}")).to_be_visible()
    page.get_by_text("What it is made of").click()
    expect(page.locator(".js-plotly-plot")).to_have_count(3)


def test_a_threshold_moves_the_figures(open_page: OpenPage) -> None:
    page = open_page()
    go(page, "Thresholds", "How sure is sure enough?")
    coverage = page.locator(".m-cards b").nth(2)
    expect(page.locator(".js-plotly-plot")).to_be_visible()
    page.get_by_role("slider").focus()
    page.keyboard.press("Home")
    expect(coverage).to_have_text("100.0%")
    page.keyboard.press("End")
    expect(coverage).to_have_text("0.0%")
    expect(page.locator(".m-cards b").first).to_have_text("none")


def test_the_report_opens_inside(open_page: OpenPage) -> None:
    page = open_page()
    go(page, "Report", "The report")
    inside = page.frame_locator('iframe[title="The evaluation\'s report"]')
    expect(inside.get_by_role("heading", name="Evaluation", exact=True)).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name=re.compile("Download")).click()
    assert Path(download.value.path()).read_bytes().lower().startswith(b"<!doctype html")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (390, "light")])
def test_every_page_fits(open_page: OpenPage, width: int, scheme: str) -> None:
    page = open_page(width, scheme)
    titles = ("What car is it?", "The photos", "How sure is sure enough?", "Two versions", "The report")
    for name, title in zip(("Predict", "Explore", "Thresholds", "Compare", "Report"), titles, strict=True):
        go(page, name, title)
        assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= width
        expect(page.get_by_role("alert")).to_have_count(0)
