"""Sanity as the pipeline's first step, run by kfp.local: a hopeless run ends before it trains."""

from pathlib import Path

import pytest

from components.common.errors import UserError
from pipelines.compile import compile_training
from pipelines.parameters import collect, read_types
from pipelines.run import run_locally

SETTINGS = ["backbone=hidden", "weights=none", "batchnorm=trained", "image_px=32", "epochs=1", "batch=8", "augment=none"]


@pytest.mark.slow
def test_a_hopeless_run_ends_before_it_trains(tmp_path: Path) -> None:
    pipeline = tmp_path / "training.yaml"
    compile_training(pipeline, "marque:test")
    settings = [*SETTINGS, "sanity=true", "class_weight=0"]
    given = collect("toy://?classes=2&per_class=15&seed=1", str(tmp_path / "models"), "", settings, read_types(pipeline))
    with pytest.raises(UserError, match=r"sanity: Gradients reach every layer: .* found none in logits/kernel") as caught:
        run_locally(pipeline, given, tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert "Skipping task train" in (tmp_path / "run" / "run.log").read_text()
    (page,) = (tmp_path / "run" / "artifacts").rglob("sanity/page")
    assert str(page) in str(caught.value)
    assert "checks failed" in page.read_text()
