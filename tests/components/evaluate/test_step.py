import base64
import io
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from components.evaluate.step import run

FILES = {
    "metrics.json",
    "predictions.parquet",
    "confusion.csv",
    "per_class.csv",
    "confusion.png",
    "iou.png",
    "report.html",
}
HISTORY = "epoch,loss,val_loss,val_top1,val_iou,learning_rate\n0,3.0,2.5,0.2,,0.1\n1,2.0,1.9,0.5,0.6,0.1\n"


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory, colour_model: Path, colour_records: Path) -> tuple[dict[str, Any], Path]:
    folder = tmp_path_factory.mktemp("evaluated")
    (folder / "history.csv").write_text(HISTORY)
    output = folder / "new" / "output"
    options = {"min_top1": 0.8, "min_mean_iou": 0.7, "history": folder / "history.csv", "batch": 5}
    return run(colour_model, [colour_records], output, **options), output


class Page(HTMLParser):
    """What a browser would see of the page: open tags, attributes that load, and the text."""

    VOID = frozenset({"meta", "img", "br", "source", "image", "rect"})

    def __init__(self, html: str):
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in {"src", "srcset", "href"}]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def page(evaluated: tuple[dict[str, Any], Path]) -> Page:
    return Page((evaluated[1] / "report.html").read_text("utf-8"))


def test_figures_of_known_photos(evaluated: tuple[dict[str, Any], Path]) -> None:
    found, output = evaluated
    assert {path.name for path in output.iterdir()} == FILES
    assert json.loads((output / "metrics.json").read_text("utf-8")) == found
    assert found["schema"] == "marque.metrics/1"
    assert (found["photos"], found["classes"]) == (12, 3)
    assert found["top1"] == pytest.approx(10 / 12)
    assert found["top5"] == 1
    # six boxes are the middle, three its upper half, three beside it; a box of .8 x .6 around the middle of .5 x .5, and so on
    assert found["mean_iou"] == pytest.approx((6 * 1 + 3 * 0.5 + 3 * 0) / 12)
    assert (found["iou_50"], found["iou_75"]) == (0.75, 0.5)
    upper_half, corner = 0.125 / 0.48, 0.15 * 0.05 / (0.48 + 0.0625 - 0.15 * 0.05)
    assert found["mean_box_iou_baseline"] == pytest.approx((6 * 0.25 / 0.48 + 3 * upper_half + 3 * corner) / 12, abs=1e-4)
    assert found["images_per_s"] > 0
    assert found["thresholds"] == {"min_top1": 0.8, "min_mean_iou": 0.7}
    assert found["blessed"] is False
    assert len(found["reasons"]) == 2


def test_predictions_hold_every_photo(evaluated: tuple[dict[str, Any], Path], photos: list[Any]) -> None:
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


def test_tables_carry_the_names(evaluated: tuple[dict[str, Any], Path], classes: list[str]) -> None:
    matrix = pd.read_csv(evaluated[1] / "confusion.csv", index_col=0)
    assert list(matrix.index) == list(matrix.columns) == classes
    assert matrix.to_numpy().tolist() == [[4, 0, 1], [0, 3, 1], [0, 0, 3]]
    table = pd.read_csv(evaluated[1] / "per_class.csv")
    assert list(table.columns) == ["class", "precision", "recall", "f1", "support", "mean_iou"]
    assert table["class"].tolist() == classes
    assert table["precision"].tolist() == pytest.approx([1, 1, 0.6])
    assert table["mean_iou"].tolist() == pytest.approx([3.5 / 5, 2.5 / 4, 1.5 / 3])


def test_pictures_are_pictures(evaluated: tuple[dict[str, Any], Path]) -> None:
    for name in ("confusion.png", "iou.png"):
        with Image.open(evaluated[1] / name) as picture:
            assert min(picture.size) > 300
            assert np.unique(np.asarray(picture.convert("L"))).size > 10


def test_report_is_well_formed_and_holds_all_it_shows(page: Page) -> None:
    assert page.open == []
    assert len(page.loads) == 3 * 2 + 12, "three charts in two themes, and every photo"
    for load in page.loads:
        kind, _, content = load.partition(";base64,")
        assert kind in {"data:image/png", "data:image/jpeg"}
        Image.open(io.BytesIO(base64.b64decode(content, validate=True))).verify()
    assert page.tags.count("rect") == 2 * 12


def test_report_says_the_verdict_and_the_figures(page: Page, evaluated: tuple[dict[str, Any], Path]) -> None:
    assert "Not blessed" in page.text
    for reason in evaluated[0]["reasons"]:
        assert reason in page.text
    assert f"always the mean box: {evaluated[0]['mean_box_iou_baseline']:.3f}" in page.text
    assert "83.3%" in page.text


def test_names_are_text_never_markup(page: Page, evaluated: tuple[dict[str, Any], Path], classes: list[str]) -> None:
    assert "script" not in page.tags
    assert "b" not in page.tags
    for name in [*classes, "mistaken <b>.jpg"]:
        assert name in page.text
    html = (evaluated[1] / "report.html").read_text("utf-8")
    assert not re.search(r"https?:|//", re.sub(r"base64,[^\"]*", "", html))


def test_wall_shows_worst_boxes_then_wrong_labels_then_right_ones(page: Page) -> None:
    titles = [page.text.index(title) for title in ("Worst boxes", "Wrong labels", "Right ones")]
    assert titles == sorted(titles)
    wall = page.text[titles[0] :]
    ious = [float(found) for found in re.findall(r"IoU (\d\.\d\d)", wall)]
    assert ious[:8] == sorted(ious)[:8]
    wrong, right = page.text[titles[1] : titles[2]], page.text[titles[2] :]
    assert "mistaken <b>.jpg" in wrong
    assert "answered" not in right


def test_without_history_the_report_has_no_training_curves(tmp_path: Path, colour_model: Path, colour_records: Path) -> None:
    found = run(colour_model, [colour_records], tmp_path)
    page = Page((tmp_path / "report.html").read_text("utf-8"))
    assert len(page.loads) == 2 * 2 + 12
    assert found["blessed"] is True
    assert "Blessed" in page.text
    assert "Not blessed" not in page.text


def test_the_models_ids_rule_whatever_the_order_in_the_records(
    tmp_path: Path, colour_model: Path, photos: list[Any], classes: list[str], make_records: Callable[..., Path]
) -> None:
    turned = [type(photo)(2 - photo.label, photo.colour, photo.box, photo.width, photo.height) for photo in photos]
    found = run(colour_model, [make_records(turned, classes[::-1])], tmp_path / "out")
    assert found["top1"] == pytest.approx(10 / 12)
    matrix = pd.read_csv(tmp_path / "out" / "confusion.csv", index_col=0)
    assert list(matrix.index) == classes
    assert matrix.to_numpy().tolist() == [[4, 0, 1], [0, 3, 1], [0, 0, 3]]


def test_a_second_run_replaces_the_first_and_leaves_no_scraps(tmp_path: Path, colour_model: Path, colour_records: Path) -> None:
    run(colour_model, [colour_records], tmp_path, min_top1=1)
    run(colour_model, [colour_records], tmp_path, min_top1=0.5)
    assert {path.name for path in tmp_path.iterdir()} == FILES
    assert json.loads((tmp_path / "metrics.json").read_text())["blessed"] is True
