"""Two models side by side, from their evaluations."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.common.errors import UserError
from components.evaluate.compare import run
from components.evaluate.step import run as evaluate
from tests.components.evaluate.conftest import page_data


@pytest.fixture(scope="module")
def two(
    tmp_path_factory: pytest.TempPathFactory, colour_model: Path, colour_records: Path, classes: list[str]
) -> tuple[Path, Path]:
    """The model of the colours, and one that knows two of them: it gets the two blue cars wrong, and all others as before."""
    from tests.components.evaluate.conftest import save_model

    folder = tmp_path_factory.mktemp("two")
    poor = save_model(folder / "poor", [*classes[:2], "Azure 2003"][:2])
    (poor / "assets.extra" / "classes.json").write_text(json.dumps(classes))
    for name, model in (("good", colour_model), ("poor", poor)):
        evaluate(model, [colour_records], folder / name / "evaluation")
    return folder / "good" / "evaluation", folder / "poor" / "evaluation"


@pytest.mark.slow
def test_what_each_gets_right_that_the_other_does_not(two: tuple[Path, Path], colour_records: Path, tmp_path: Path) -> None:
    run(str(two[0]), str(two[1]), tmp_path / "out", [colour_records])
    found = json.loads((tmp_path / "out" / "comparison.json").read_text("utf-8"))
    assert found["schema"] == "marque.comparison/1"
    right = found["counts"]
    assert sum(right.values()) == 12
    assert right["only_a"] == 3  # the blue cars
    assert right["only_b"] == 1  # a green one that is painted blue
    assert found["differences"]["top1"]["difference"] == pytest.approx(-2 / 12)
    assert found["differences"]["mean_iou"]["difference"] == 0
    page = page_data(tmp_path / "out" / "comparison.html")
    assert [Path(name).parts[-2] for name in page["names"]] == ["good", "poor"]
    assert found["addresses"] == [str(two[0]), str(two[1])]
    assert len(page["photos"]) == 12
    assert page["photos_left_out"] == 0
    blue = [row for row in page["per_class"] if row["class"] == "Azure 2003"]
    assert [(row["support"], row["recall_a"], row["recall_b"]) for row in blue] == [(3, 1, 0)]
    assert sorted(photo["true"] for photo in page["photos"][:4]) in ([0, 2, 2, 2], [1, 2, 2, 2])


@pytest.mark.slow
def test_without_records_the_page_has_no_photos(two: tuple[Path, Path], tmp_path: Path) -> None:
    table = run(str(two[0]), str(two[1]), tmp_path)
    page = page_data(tmp_path / "comparison.html")
    assert page["photos"] == []
    assert page["photos_left_out"] == 12
    assert table.row_count == 13


@pytest.mark.slow
def test_wrong_use(
    two: tuple[Path, Path], tmp_path: Path, photos: list[Any], classes: list[str], make_records: Callable[..., Path]
) -> None:
    with pytest.raises(UserError, match="nowhere: expected an evaluation"):
        run(str(two[0]), str(tmp_path / "nowhere"), tmp_path / "out")
    others = make_records(photos[:5], classes)
    with pytest.raises(UserError, match="records: expected the 12 photos of the evaluations in their order, received 5 others"):
        run(str(two[0]), str(two[1]), tmp_path / "out", [others])
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_commands(two: tuple[Path, Path], colour_model: Path, colour_records: Path, tmp_path: Path) -> None:
    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "components.evaluate", *arguments], capture_output=True, text=True, check=False
        )

    run_it = ("run", f"--saved-model={colour_model}", f"--records={colour_records}", f"--output={tmp_path / 'evaluation'}")
    done = command(*run_it, "--set", "min_top1=0.5", "--set", "max_drop=0.5", "--champion", str(two[1]))
    assert (done.returncode, done.stderr) == (0, "test photos answered: 12, done\n")
    assert "blessed" in done.stdout
    refused = command(*run_it, "--set", "min_top1=1")
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith("marque: error: the model was refused: Top-1 accuracy is 0.8333, below")
    assert (tmp_path / "evaluation" / "report.html").is_file()
    compared = command("compare", str(two[0]), str(two[1]), f"--output={tmp_path / 'out'}")
    assert compared.returncode == 0
    assert "Top-1" in compared.stdout
    missing = command(*run_it, "--champion", str(tmp_path / "nowhere"))
    assert (missing.returncode, len(missing.stderr.splitlines())) == (1, 1)
    address = command("compare", str(two[0]), str(two[1]), "--output=gs://bucket/out")
    assert address.stderr == "marque: error: gs:/bucket/out: expected a path on this machine to write to, received an address\n"
    overridden = command(*run_it, "--set", "min_top1=1", "--override", "a test")
    assert overridden.returncode == 0
    assert overridden.stdout.startswith("let through against the verdict: Top-1 accuracy is 0.8333, below the minimum of 1.")
    wrong = command("compare", str(two[0]), str(tmp_path))
    assert (wrong.returncode, len(wrong.stderr.splitlines())) == (1, 1)
