"""Evaluations read from their files, and two of them set against each other."""

import dataclasses
import shutil
from pathlib import Path

import pytest

from components.common.errors import UserError
from components.common.evaluation import read_metrics
from serving.app.evaluations import agreement, differences, evaluations, read_predictions
from serving.app.sources import Sources


@pytest.mark.slow
def test_published_evaluations_come_newest_first_and_then_the_folder(sources: Sources, tmp_path: Path) -> None:
    found = evaluations(sources.repository, "marque", sources.evaluation)
    assert [entry.version for entry in found] == [2, 1, None]
    for repository, model in ((sources.repository, "another"), ("", "marque"), (str(tmp_path), "marque")):
        assert evaluations(repository, model, "") == []


def test_predictions_agree_with_the_metrics(sources: Sources) -> None:
    for entry in evaluations(sources.repository, "marque", ""):
        classes, rows = read_predictions(entry.folder)
        metrics = read_metrics(entry.folder)
        assert (len(rows), len(classes)) == (metrics["photos"], metrics["classes"])
        assert rows["right"].mean() == pytest.approx(metrics["top1"])
        assert rows["iou"].mean() == pytest.approx(metrics["mean_iou"], abs=1e-6)


def test_missing_and_damaged_predictions_are_one_line(sources: Sources, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="found no predictions.parquet"):
        read_predictions(tmp_path)
    whole = (Path(sources.evaluation) / "predictions.parquet").read_bytes()
    (tmp_path / "predictions.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="damaged or something else"):
        read_predictions(tmp_path)
    shutil.copyfile(Path(sources.dataset) / "annotations.parquet", tmp_path / "predictions.parquet")
    with pytest.raises(UserError, match="damaged or something else"):
        read_predictions(tmp_path)


def test_differences_know_which_way_is_better() -> None:
    first = {"top1": 0.5, "mean_iou": 0.8, "ece": 0.1, "ap": 0.3}
    table = differences(first, {"top1": 0.75, "mean_iou": 0.7, "ece": 0.05, "ap": 0.3}, ("a", "b")).set_index("figure")
    assert table.loc["Top-1"].tolist() == ["50.0%", "75.0%", "+25.0 pp", True]
    assert table.loc["Mean IoU"].tolist() == ["0.800", "0.700", "\N{MINUS SIGN}0.100", False]
    assert table.loc["Calibration error", "better"] is True
    assert table.loc["AP", "better"] is None
    assert len(table) == 4


def test_agreement_is_of_the_same_photos_only(sources: Sources) -> None:
    second, first = (read_predictions(entry.folder)[1] for entry in evaluations(sources.repository, "marque", ""))
    counts = agreement(first, second)
    assert counts is not None
    assert counts == {"both": int(first["right"].sum()), "first": 0, "second": 0, "neither": int((~first["right"]).sum())}
    assert agreement(first, second.iloc[1:]) is None
    assert agreement(first, second.assign(file=second["file"].to_numpy()[::-1])) is None
    flipped = first.assign(right=~first["right"])
    assert agreement(first, flipped) == {"both": 0, "first": counts["both"], "second": counts["neither"], "neither": 0}


def test_sources_say_what_to_run(sources: Sources) -> None:
    for ask in (Sources().dataset_folder, Sources().evaluation_folder, Sources().server_address):
        with pytest.raises(UserError, match="make demo"):
            ask()
    with pytest.raises(UserError, match="no memory"):
        dataclasses.replace(sources, problem="no memory").server_address()
