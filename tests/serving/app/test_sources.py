"""Where the app looks when it is told nothing: in what the demo left."""

import dataclasses
import json
from pathlib import Path

import pytest

from serving.app.sources import VARIABLE, Sources, completed


def test_the_demo_fills_what_is_not_given(sources: Sources, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "summary.json").write_text(json.dumps({"dataset": sources.dataset, "evaluation": sources.evaluation}), "utf-8")
    assert completed(Sources(), tmp_path) == dataclasses.replace(sources, repository=str(tmp_path / "models"))
    assert completed(sources, tmp_path) == sources


@pytest.mark.parametrize("summary", ["", "[]", "{", '{"dataset": "nowhere", "evaluation": 3}'])
def test_no_demo_or_half_a_one_is_none(tmp_path: Path, summary: str) -> None:
    (tmp_path / "summary.json").write_text(summary, "utf-8")
    assert completed(Sources(), tmp_path) == Sources()
    assert completed(Sources(), tmp_path / "absent") == Sources()


def test_they_travel_to_the_app(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, sources.to_environment()[VARIABLE])
    assert Sources.from_environment() == sources
    monkeypatch.delenv(VARIABLE)
    assert Sources.from_environment() == Sources()
