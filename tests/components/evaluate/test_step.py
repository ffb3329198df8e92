"""The step as the pipeline calls it: a SavedModel whose answers are known, and what the folder then holds."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from components.common.fingerprint import fingerprint
from components.common.records import open_records
from components.evaluate import card
from components.evaluate.contents import as_html
from components.evaluate.gate import Demands
from components.evaluate.step import run
from tests.components.evaluate.conftest import page_data

FILES = {
    "metrics.json",
    "predictions.parquet",
    "confusion.csv",
    "per_class.csv",
    "slices.csv",
    "confusion.png",
    "iou.png",
    "model_card.md",
    "model_card.json",
    "report.html",
}
HISTORY = "epoch,loss,val_loss,val_top1,val_iou,learning_rate\n0,3.0,2.5,0.2,,0.1\n1,2.0,1.9,0.5,0.6,0.1\n"
DEMANDS = Demands(min_top1=0.8, min_mean_iou=0.7)
Evaluated = tuple[dict[str, Any], Path]


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory, colour_model: Path, colour_records: Path) -> Evaluated:
    output = tmp_path_factory.mktemp("evaluated") / "new" / "output"
    return run(colour_model, [colour_records], output, demands=DEMANDS, batch=5), output


def test_figures_of_known_photos(evaluated: Evaluated, colour_model: Path) -> None:
    found, output = evaluated
    assert {path.name for path in output.iterdir()} == FILES
    assert json.loads((output / "metrics.json").read_text("utf-8")) == found
    assert found["schema"] == "marque.metrics/2"
    assert (found["photos"], found["classes"]) == (12, 3)
    assert found["top1"] == pytest.approx(10 / 12)
    assert found["top5"] == 1
    # six boxes are the middle, three its upper half, three beside it; a box of .8 x .6 around the middle of .5 x .5, and so on
    assert found["mean_iou"] == pytest.approx((6 * 1 + 3 * 0.5 + 3 * 0) / 12)
    assert (found["iou_50"], found["iou_75"]) == (0.75, 0.5)
    upper_half, corner = 0.125 / 0.48, 0.15 * 0.05 / (0.48 + 0.0625 - 0.15 * 0.05)
    assert found["mean_box_iou_baseline"] == pytest.approx((6 * 0.25 / 0.48 + 3 * upper_half + 3 * corner) / 12, abs=1e-4)
    assert found["images_per_s"] > 0
    assert found["model"] == fingerprint(colour_model)
    assert found["gate"] == dataclasses.asdict(DEMANDS)
    assert found["blessed"] is False
    assert len(found["reasons"]) == 3
    for low, high in found["intervals"].values():
        assert 0 <= low <= high <= 1


def test_predictions_hold_every_photo(evaluated: Evaluated, photos: list[Any]) -> None:
    table = pd.read_parquet(evaluated[1] / "predictions.parquet").set_index("file")
    assert len(table) == len(photos)
    mistaken = table.loc["mistaken <b>.jpg"]
    assert (mistaken["label"], mistaken["predicted"]) == (0, 2)
    assert mistaken["top_ids"].tolist()[0] == 2
    assert sorted(mistaken["top_ids"]) == [0, 1, 2]
    for number in range(10):
        row, photo = table.loc[f"{number:03d}.jpg"], photos[number]
        scale = np.array([photo.width, photo.height] * 2)
        assert (row["label"], row["width"], row["height"]) == (photo.label, photo.width, photo.height)
        np.testing.assert_allclose(row[["x1", "y1", "x2", "y2"]].astype(float), photo.box * scale, rtol=1e-5)
        middle = row[["predicted_x1", "predicted_y1", "predicted_x2", "predicted_y2"]].astype(float)
        np.testing.assert_allclose(middle, np.array([0.25, 0.25, 0.75, 0.75]) * scale, rtol=1e-5)
        assert row["iou"] == pytest.approx([1, 0.5, 0][number // 3 % 3], abs=1e-6)


def test_tables_carry_the_names(evaluated: Evaluated, classes: list[str]) -> None:
    matrix = pd.read_csv(evaluated[1] / "confusion.csv", index_col=0)
    assert list(matrix.index) == list(matrix.columns) == classes
    assert matrix.to_numpy().tolist() == [[4, 0, 1], [0, 3, 1], [0, 0, 3]]
    table = pd.read_csv(evaluated[1] / "per_class.csv")
    assert list(table.columns) == ["class", "precision", "recall", "f1", "support", "mean_iou"]
    assert table["class"].tolist() == classes
    assert table["precision"].tolist() == pytest.approx([1, 1, 0.6])
    assert table["mean_iou"].tolist() == pytest.approx([3.5 / 5, 2.5 / 4, 1.5 / 3])


def test_pictures_are_pictures(evaluated: Evaluated) -> None:
    for name in ("confusion.png", "iou.png"):
        with Image.open(evaluated[1] / name) as picture:
            assert min(picture.size) > 300
            assert np.unique(np.asarray(picture.convert("L"))).size > 10


def test_the_page_shows_what_was_found(evaluated: Evaluated, classes: list[str]) -> None:
    found, output = evaluated
    page = page_data(output / "report.html")
    assert page["metrics"] == found
    assert page["classes"] == classes
    assert sorted(page["confusion"]) == [[0, 0, 4], [0, 2, 1], [1, 1, 3], [1, 2, 1], [2, 2, 3]]
    assert sum(page["iou"]["photos"]) == 12
    assert sum(row["photos"] for row in page["calibration"]) == 12
    assert page["data"]["test"] == [5, 4, 3]
    assert page["photos_left_out"] == 0
    assert {photo["file"] for photo in page["photos"]} == {f"{i:03d}.jpg" for i in (*range(10), 11)} | {"mistaken <b>.jpg"}
    mistaken = next(photo for photo in page["photos"] if photo["file"] == "mistaken <b>.jpg")
    assert (mistaken["true"], mistaken["predicted"], mistaken["iou"]) == (0, 2, 1)
    assert mistaken["true_box"] == mistaken["predicted_box"] == [10, 7.5, 20, 15]
    assert page["history"] is None
    assert page["heat"] == []


def test_the_card_says_what_the_model_is(evaluated: Evaluated) -> None:
    found, output = evaluated
    card = json.loads((output / "model_card.json").read_text("utf-8"))
    assert card["figures"]["top1"] == found["top1"]
    assert card["figures"]["intervals"] == found["intervals"]
    assert card["verdict"] == {
        "words": "**Refused** by the gate:",
        **{name: found[name] for name in ("blessed", "reasons", "missed", "override", "champion")},
    }
    assert card["data"]["photos"] == {"train": 0, "validation": 0, "test": 12}
    assert card["hashes"]["model"] == found["model"]
    assert all(len(card["hashes"][name]) == 64 for name in ("records", "model", "code"))
    words = (output / "model_card.md").read_text("utf-8")
    assert "**Refused** by the gate:" in words
    assert "| Top-1, the best answer is right | 83.3% |" in words
    assert f"- model: {found['model']}" in words


def test_an_override_is_in_the_card_and_in_the_metrics(tmp_path: Path, colour_model: Path, colour_records: Path) -> None:
    reason = "asked for by [J. Doe](x) <b> my_own_way"
    found = run(colour_model, [colour_records], tmp_path / "out", demands=DEMANDS, override=reason)
    assert found["blessed"] is True
    assert found["override"] == reason
    words = (tmp_path / "out" / "model_card.md").read_text("utf-8")
    assert "**Let through against the verdict.**" in words
    assert r"Let through in spite of that: asked for by \[J. Doe\](x) \<b\> my\_own\_way" in words


@pytest.mark.slow
def test_settings_from_outside_are_text_in_card_and_page(
    tmp_path: Path, toy_model: Path, colour_model: Path, colour_records: Path, classes: list[str]
) -> None:
    settings = json.loads((toy_model / "config.json").read_text())
    evil = {**settings, "backbone": "x ![p](http://evil/p.png) [l](http://evil)", "weights": "a`b\n# Verdict"}
    about = card.content(
        json.loads((_evaluate(tmp_path, colour_model, colour_records) / "metrics.json").read_text()),
        pd.DataFrame({"weak": [], "top1": []}),
        open_records([colour_records]),
        {"id": "`x`", "source": "<script>"},
        {name: value for name, value in evil.items() if name != "classes"},
    )
    html = as_html(card.markdown(about))
    for markup in ("<img", "<a ", "<script", "<code"):
        assert markup not in html
    assert html.count("<h1>") == 1


def _evaluate(folder: Path, model: Path, records: Path) -> Path:
    run(model, [records], folder / "evaluation")
    return folder / "evaluation"


@pytest.mark.slow
def test_the_evaluation_of_what_serves_is_the_next_models_champion(
    tmp_path: Path, colour_model: Path, colour_records: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    run(colour_model, [colour_records], first)
    found = run(colour_model, [colour_records], second, champion=str(first))
    assert found["blessed"] is True
    assert found["reasons"][-1] == f"The champion {first} is this very model."
    other = shutil.copytree(colour_model, tmp_path / "other")
    (other / "assets.extra" / "note").write_text("another model, of the same answers")
    found = run(other, [colour_records], tmp_path / "third", champion=str(first), demands=Demands(max_drop=0.5))
    assert found["blessed"] is True
    assert found["champion"]["address"] == str(first)
    assert {each["difference"] for each in found["champion"]["differences"].values()} == {0}


@pytest.mark.slow
def test_with_the_trained_model_and_the_dataset_the_page_has_all(
    tmp_path: Path, toy_model: Path, toy_records: list[Path], toy_dataset: Path
) -> None:
    from components.export.step import run as export

    export(toy_model, tmp_path / "saved_model")
    run(tmp_path / "saved_model", toy_records, tmp_path / "out", model=toy_model, dataset=toy_dataset)
    page = page_data(tmp_path / "out" / "report.html")
    assert page["history"]["epoch"] == [1, 2]
    assert len(page["heat"]) >= 4
    assert page["data"]["source"].startswith("toy://")
    assert sum(page["data"]["train"]) > 0
    card = json.loads((tmp_path / "out" / "model_card.json").read_text("utf-8"))
    assert card["recipe"]["backbone"] == card["model"]["backbone"] == "MobileNetV2-0.35"
    assert len(card["hashes"]["dataset"]) == 64


def test_the_models_ids_rule_whatever_the_order_in_the_records(
    tmp_path: Path, colour_model: Path, photos: list[Any], classes: list[str], make_records: Callable[..., Path]
) -> None:
    turned = [type(photo)(2 - photo.label, photo.colour, photo.box, photo.width, photo.height) for photo in photos]
    found = run(colour_model, [make_records(turned, classes[::-1])], tmp_path / "out")
    assert found["top1"] == pytest.approx(10 / 12)
    matrix = pd.read_csv(tmp_path / "out" / "confusion.csv", index_col=0)
    assert list(matrix.index) == classes
    assert matrix.to_numpy().tolist() == [[4, 0, 1], [0, 3, 1], [0, 0, 3]]


@pytest.mark.slow
def test_a_second_run_replaces_the_first_and_leaves_no_scraps(tmp_path: Path, colour_model: Path, colour_records: Path) -> None:
    run(colour_model, [colour_records], tmp_path, demands=Demands(min_top1=1))
    run(colour_model, [colour_records], tmp_path, demands=Demands(min_top1=0.5))
    assert {path.name for path in tmp_path.iterdir()} == FILES
    assert json.loads((tmp_path / "metrics.json").read_text())["blessed"] is True
