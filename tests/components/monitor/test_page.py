"""The page of a check: in a browser at both widths without errors or requests, and every name is text."""

import shutil
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from components.monitor.step import run
from components.monitor.verdict import Demands
from tests.components.monitor.conftest import answers, write_log


@pytest.fixture(scope="module")
def html(version: Path, training_records: list[Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """A page with a drift, a damaged file with a name that is markup, and thumbnails; and what drift.json holds."""
    folder = tmp_path_factory.mktemp("page")
    write_log(folder / "logs" / "marque" / "20261101T000000Z-1-1.tfrecord", answers(20, 250, darker=0.4, classes=range(5)))
    (folder / "logs" / "marque" / "20261102T<b>00<b>.tfrecord").write_bytes(b"damaged")
    records = [str(folder) for folder in training_records]
    result = run(str(folder / "logs"), str(version), records, folder / "out", demands=Demands())
    return (folder / "out" / "drift.html").read_text("utf-8"), result


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_and_complains_of_nothing(html: tuple[str, Any], width: int, browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "drift.html").write_text(html[0], "utf-8")
    complaints: list[str] = []
    context = browser.new_context(viewport=ViewportSize(width=width, height=900))
    page: Page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url) if request.url.startswith(("http", "ws")) else None)
    page.goto((tmp_path / "drift.html").as_uri(), wait_until="load")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    pictures = page.locator("img").evaluate_all("all => all.map(img => [img.complete, img.naturalWidth])")
    assert len(pictures) == 5 + 3 * 8
    assert all(complete and pixels > 0 for complete, pixels in pictures)
    assert page.locator("#verdict h2").inner_text() == "Drift"
    context.close()
    assert complaints == []


@pytest.mark.slow
def test_what_it_says(html: tuple[str, dict[str, Any]]) -> None:
    page, result = html
    assert result["drift"] is True
    for reason in result["reasons"]:
        assert reason in unescape(page)
    assert page.count("✗ drift") == 3
    for words in ("1 log file is damaged", "Least sure", "Darkest", "Blurriest", "2026-11-18 11:06"):
        assert words in page
    assert len(page) < 2_000_000


def test_names_are_text(html: tuple[str, Any]) -> None:
    assert "<b>" not in html[0]
    assert "&lt;b&gt;00&lt;b&gt;" in html[0]


def test_too_few_and_none_at_all_have_a_page(version: Path, make_log: Callable[..., Path], tmp_path: Path) -> None:
    logs = make_log(answers(21, 3))
    run(str(logs), str(version), [], tmp_path / "out")
    page = (tmp_path / "out" / "drift.html").read_text("utf-8")
    assert "Too few requests" in page
    assert "Expected at least 200 photos, found 3." in page
    assert "Brightness</" not in page

    write_log(tmp_path / "logs" / "marque" / "20261124T000000Z-1-1.tfrecord", answers(21, 3), version=9)
    result = run(str(logs), str(version), [], tmp_path / "out")
    assert (result["photos"], result["tests"]) == (0, [])
    assert "answered by another version" in (tmp_path / "out" / "drift.html").read_text("utf-8")
