"""`python -m components.train sanity`: the page, the table, and how a run that cannot come to anything is told."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from components.train.__main__ import main

SMALL = {"backbone": "hidden", "weights": "none", "batchnorm": "trained", "image_px": 32, "batch": 8, "augment": "none"}


def sanity(records: list[Path], output: Path, **settings: object) -> Result:
    chosen = [f"--set={name}={value}" for name, value in {**SMALL, **settings}.items()]
    return CliRunner().invoke(main, ["sanity", *(f"--records={folder}" for folder in records), f"--output={output}", *chosen])


@pytest.mark.slow
def test_a_sound_run_passes_with_a_page_that_holds_all_it_shows(toy_records: list[Path], tmp_path: Path) -> None:
    result = sanity(toy_records, tmp_path, precision="mixed_float16", augment="graph", dropout=0.5, label_smoothing=0.1, mixup=0.2)
    assert result.exit_code == 0, result.output
    assert result.stdout.count("passed") == 6
    page = (tmp_path / "sanity.html").read_text()
    assert "All 6 checks passed" in page
    assert page.count("✓ passed") == 6
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    pictures = [Image.open(io.BytesIO(base64.b64decode(text))) for text in re.findall(r"data:image/png;base64,([\w+/=]+)", page)]
    assert len(pictures) == 3
    assert all(np.ptp(np.asarray(picture)) > 100 for picture in pictures)
    assert [path.name for path in tmp_path.iterdir()] == ["sanity.html"]


@pytest.mark.slow
def test_a_hopeless_run_ends_in_one_line_and_has_its_page_all_the_same(toy_records: list[Path], tmp_path: Path) -> None:
    result = sanity(toy_records, tmp_path, class_weight=0.0)
    assert result.exit_code == 1
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("marque: error:")]
    assert "sanity: Gradients reach every layer: expected all" in line
    assert "found none in logits/kernel" in line
    assert "failed too: Two classes are learned by heart" in line
    assert "Traceback" not in result.output
    page = (tmp_path / "sanity.html").read_text()
    assert "2 of 6 checks failed" in page
    assert page.count("✗ failed") == 2


def test_wrong_settings_are_refused_in_one_line(toy_records: list[Path], tmp_path: Path) -> None:
    for settings, message in [
        ({"backbone": "VGG"}, "backbone: expected one of"),
        ({"weights": "nowhere.weights.h5"}, "nowhere.weights.h5"),
    ]:
        result = sanity(toy_records, tmp_path / "out", **settings)
        assert result.exit_code == 1
        assert message in result.stderr
        assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()
    assert sanity(toy_records[:1], tmp_path / "out").exit_code == 1
