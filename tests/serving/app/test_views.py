"""Pages without what they show: one sentence that says what to run, never a traceback."""

import dataclasses
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from serving.app.sources import Sources
from serving.app.views import report

SCRIPT = """
from serving.app.sources import Sources
from serving.app.views import {view}, shown

shown({view}.show, Sources.from_environment())
"""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch):
    def run(view: str, sources: Sources) -> AppTest:
        for name, value in sources.to_environment().items():
            monkeypatch.setenv(name, value)
        ran = AppTest.from_string(SCRIPT.format(view=view), default_timeout=60).run()
        assert not ran.exception
        return ran

    return run


@pytest.mark.parametrize("view", ["predict", "explore", "thresholds", "report"])
@pytest.mark.slow
def test_with_nothing_a_page_says_what_to_run(run, view: str) -> None:
    (error,) = run(view, Sources()).error
    assert "make demo" in error.value
    assert "\n" not in error.value


def test_with_nothing_to_compare_it_says_what_to_run(run) -> None:
    ran = run("compare", Sources())
    assert "make demo" in ran.info[0].value
    assert "make demo" in ran.error[0].value


@pytest.mark.parametrize("view", ["predict", "compare"])
@pytest.mark.slow
def test_a_server_that_does_not_answer_is_one_line(run, sources: Sources, view: str) -> None:
    (error,) = run(view, dataclasses.replace(sources, server="localhost:1")).error
    assert error.value.startswith("localhost:1: no server answers there")


@pytest.mark.slow
def test_files_of_something_else_are_one_line(run, sources: Sources, tmp_path: Path) -> None:
    elsewhere = Sources(dataset=str(tmp_path), evaluation=str(tmp_path))
    for view, missing in (("explore", "dataset.json"), ("thresholds", "predictions.parquet"), ("report", "report.html")):
        (error,) = run(view, elsewhere).error
        assert missing in error.value


@pytest.mark.slow
def test_a_report_too_large_to_show_can_be_downloaded(run, sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not run("report", sources).info
    monkeypatch.setattr(report, "SHOWN_BYTES", 1000)
    assert "too much to show here" in run("report", sources).info[0].value


@pytest.mark.slow
def test_predictions_of_photos_that_the_dataset_lacks_are_shown_as_text(run, sources: Sources) -> None:
    ran = run("thresholds", dataclasses.replace(sources, dataset=""))
    (figures,) = [element.proto.body for element in ran.get("html") if "m-gallery" in element.proto.body][:1]
    assert "<img" not in figures
    assert "IoU" in figures


@pytest.mark.slow
def test_a_class_of_its_own_is_weighed(run, sources: Sources) -> None:
    ran = run("thresholds", sources)
    ran.selectbox(key="threshold class").select_index(1).run()
    assert not ran.exception
    assert not ran.error
