"""`python -m pipelines demo`, from photos to answers, as `make demo` calls it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


def demo(folder: Path, classes: int, *settings: str) -> str:
    source = f"toy://?classes={classes}&per_class=15&seed=1"
    command = [sys.executable, "-m", "pipelines", "demo", f"--source={source}", "--preset=smoke", f"--folder={folder}", *settings]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.slow
def test_from_photos_to_answers_and_then_with_other_photos(tmp_path: Path) -> None:
    said = demo(tmp_path, 2)
    assert "6 test photos of 2 classes (in brackets 95% intervals): top-1 0." in said
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["test_photos"] == 6
    assert summary["intervals"]["top1"][0] < summary["top1"] < summary["intervals"]["top1"][1]
    assert len(list((tmp_path / "answers").glob("*.jpg"))) == 3
    assert "<html" in (tmp_path / "report.html").read_text()

    said = demo(tmp_path, 3)
    assert "no champion: the model that is deployed in this folder is of another source" in said
    versions = tmp_path / "models" / "marque"
    assert sorted(path.name for path in versions.iterdir() if path.is_dir()) == ["1", "2"]
    metrics = json.loads((versions / "2" / "assets.extra" / "evaluation" / "metrics.json").read_text())
    assert (metrics["classes"], metrics["champion"]) == (3, None)
