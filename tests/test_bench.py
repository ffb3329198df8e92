"""`make bench` on a few drawn cars: whether it runs and what it writes, not how fast anything is."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOY = "toy://?classes=4&per_class=5&seed=1"


def bench(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-m", "tests.bench", *words], capture_output=True, text=True, cwd=ROOT)


@pytest.mark.slow
def test_figures_growth_and_verdicts(tmp_path: Path) -> None:
    output = tmp_path / "bench.json"
    ended = bench("--quick", "--small", TOY, "--output", str(output), "decode_limit", "ingest", "copy", "growth")
    assert ended.returncode == 0, ended.stderr
    result = json.loads(output.read_text())

    assert result["photos"]["count"] == 128
    assert result["machine"]["commit"]
    for name in ("decode_limit", "ingest", "copy"):
        assert result[name] > 0
        assert result["per_core"][name] == pytest.approx(result[name] / result["machine"]["cores"], abs=0.2)
        assert result["peak_mb"][name] > 10
    # TensorFlow is no part of ingest, and so no part of its memory.
    assert result["peak_mb"]["ingest"] < result["peak_mb"]["decode_limit"]

    assert list(result["growth"]) == ["read", "shard", "ingest"]
    for sizes in result["growth"].values():
        assert [size["photos"] for size in sizes] == [32, 128, 512]
    ratios = {ratio["ratio"]: ratio for ratio in result["ratios"]}
    assert ratios.keys() == {"ingest / decode_limit"} | {
        f"{step} 16x {name} / 1x" for step in result["growth"] for name in ("seconds", "peak_mb")
    }
    ingest = ratios["ingest / decode_limit"]
    assert ingest["value"] == pytest.approx(result["ingest"] / result["decode_limit"], rel=0.01)
    assert (ingest["target"], ingest["met"]) == ("at least 0.7", ingest["value"] >= 0.7)
    assert "ingest / decode_limit" in ended.stdout
    for name in ("shard 16x peak_mb / 1x", "read 16x seconds / 1x"):
        most = {"peak_mb": 1.2, "seconds": 17}[name.split()[2]]
        assert (ratios[name]["target"], ratios[name]["met"]) == (f"at most {most}", ratios[name]["value"] <= most)


def test_an_unknown_part_ends_in_one_line(tmp_path: Path) -> None:
    output = tmp_path / "bench.json"
    ended = bench("--output", str(output), "speed")
    assert ended.returncode == 1
    assert ended.stderr.startswith("marque: error: bench: expected speeds, growth, training, evaluation, decode_limit")
    assert ended.stderr.count("\n") == 1
    assert not output.exists()


@pytest.mark.slow
def test_a_figure_that_fails_leaves_no_result(tmp_path: Path) -> None:
    output = tmp_path / "bench.json"
    output.write_text("earlier")
    ended = bench("--quick", "--small", str(tmp_path / "nowhere"), "--output", str(output), "copy")
    assert ended.returncode == 1
    assert "nowhere: no such folder or archive" in ended.stderr
    assert output.read_text() == "earlier"
