"""The gate: what it blesses, what it refuses and why, and what an override does."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.common import buckets
from components.common.errors import UserError
from components.common.evaluation import IN_SAVED_MODEL
from components.evaluate import slices
from components.evaluate.bootstrap import share_difference
from components.evaluate.gate import Demands, Verdict, verdict
from components.evaluate.predictions import Predictions
from tests.components.evaluate.conftest import made_predictions, only, save_evaluation

PHOTOS = 400


def judge(predictions: Predictions, champion: Path | str = "", override: str = "", model: str = "", **demands: Any) -> Verdict:
    top1 = float(predictions.right.mean())
    figures = {"top1": top1, "mean_iou": float(predictions.iou.mean())}
    return verdict(
        predictions,
        figures,
        slices.table(predictions, top1),
        Demands(**demands),
        model=model,
        champion=str(champion),
        override=override,
    )


def with_share_right(share: float, first: int = 0) -> Predictions:
    """400 photos of which the model gets `share` right: all but those from number `first` on."""
    predictions = made_predictions(4, PHOTOS)
    wrong = np.arange(first, first + round((1 - share) * PHOTOS)) % PHOTOS
    predictions.predicted[:] = predictions.labels
    predictions.predicted[wrong] = (predictions.labels[wrong] + 1) % 4
    return predictions


@pytest.fixture
def champion(tmp_path: Path) -> Path:
    """Right in .8 of the photos."""
    return save_evaluation(tmp_path / "champion", with_share_right(0.8))


@pytest.mark.parametrize(
    ("top1", "mean_iou", "blessed"), [(0.7, 0.8, True), (0.9, 0.9, True), (0.69, 0.9, False), (0.9, 0.79, False), (0, 0, False)]
)
def test_a_model_is_blessed_when_it_reaches_every_minimum(top1: float, mean_iou: float, blessed: bool) -> None:
    predictions = made_predictions(1)
    figures = {"top1": top1, "mean_iou": mean_iou}
    found = verdict(predictions, figures, slices.table(predictions, top1), Demands(min_top1=0.7, min_mean_iou=0.8))
    assert found.blessed is blessed


def test_reasons_say_what_was_missed_first() -> None:
    predictions = made_predictions(1)
    figures = {"top1": 0.61, "mean_iou": 0.82}
    demands = Demands(min_top1=0.7, min_mean_iou=0.8)
    assert verdict(predictions, figures, slices.table(predictions, 0.61), demands).reasons == [
        "Top-1 accuracy is 0.6100, below the minimum of 0.7.",
        "Mean IoU is 0.8200, which reaches the minimum of 0.8.",
        "There is no champion to compare with.",
    ]


def test_a_miss_by_a_hair_does_not_read_as_reached() -> None:
    predictions = made_predictions(1)
    found = verdict(predictions, {"top1": 0.69999, "mean_iou": 0.5}, slices.table(predictions, 0.7), Demands(min_top1=0.7))
    assert not found.blessed
    assert found.reasons[:2] == [
        "Top-1 accuracy is 0.7000, a hair below the minimum of 0.7.",
        "Mean IoU is 0.5000; no minimum was set.",
    ]


def test_a_better_model_replaces_the_champion(champion: Path) -> None:
    found = judge(with_share_right(0.9), champion, min_gain=0.05)
    assert found.blessed
    assert found.reasons[2] == f"The champion is {champion}, compared on the same 400 photos."
    assert "with 95% confidence not worse by more than 0.02" in found.reasons[3]
    assert found.reasons[-1] == "Top-1 accuracy is +0.1000 against the champion's, which reaches the gain of 0.05 asked for."
    assert found.champion is not None
    assert found.champion["address"] == str(champion)
    difference = found.champion["differences"]["top1"]
    assert difference["difference"] == pytest.approx(0.1)
    assert 0.06 < difference["low"] < difference["at_least"] < 0.1 < difference["high"] < 0.14


def test_an_equal_model_is_no_worse_but_no_gain(champion: Path) -> None:
    equal = with_share_right(0.8)
    assert judge(equal, champion).blessed
    found = judge(equal, champion, min_gain=0.01)
    assert not found.blessed
    assert found.reasons[0] == "Top-1 accuracy is +0.0000 against the champion's, which is below the gain of 0.01 asked for."


def test_a_model_of_the_same_accuracy_on_other_photos_may_be_worse(champion: Path) -> None:
    other = with_share_right(0.8, first=200)
    assert judge(other, champion, max_drop=0.1).blessed
    found = judge(other, champion, max_drop=0.02)
    assert not found.blessed
    assert "with so few photos it may be worse by more than 0.02, which is allowed" in found.reasons[0]


def test_a_worse_model_is_refused(champion: Path) -> None:
    found = judge(with_share_right(0.7), champion)
    assert not found.blessed
    assert found.reasons[0].startswith("Top-1 accuracy is -0.1000 against the champion's (95% interval -0.1")
    assert found.reasons[0].endswith("it is worse, and it may be worse by more than 0.02, which is allowed.")


def test_a_model_with_worse_boxes_alone_is_refused(tmp_path: Path, champion: Path) -> None:
    worse = with_share_right(0.8)
    worse.boxes[:, 2:] = worse.boxes[:, :2] + 1
    worse.iou[:] = 0.01
    found = judge(worse, champion)
    assert not found.blessed
    assert "Mean IoU is -0." in found.reasons[0]


def test_a_model_that_is_worse_on_one_slice_only_is_refused_by_its_floor(champion: Path) -> None:
    predictions = with_share_right(1.0)
    vans = predictions.labels == 3
    predictions.predicted[vans] = np.where(np.arange(vans.sum()) % 2, 3, 0)
    assert judge(predictions, champion, max_drop=0.2, slice_floors={"make": 0.4}).blessed
    found = judge(predictions, champion, max_drop=0.2, slice_floors={"body": 0.6})
    assert not found.blessed
    assert found.reasons[0].startswith("Top-1 accuracy is below the floor of 0.6 in 1 of 2 slices of body: Van ")
    assert not judge(predictions, max_drop=0.2, slice_floors={"body=Van": 0.6}).blessed
    assert judge(predictions, max_drop=0.2, slice_floors={"body=Coupe": 0.6}).blessed


def test_a_floor_of_a_slice_of_few_photos_is_not_asked_for() -> None:
    predictions = made_predictions(1, photos=8, skill=0)
    found = judge(predictions, slice_floors={"make": 0.9})
    assert found.blessed
    assert "No slice of make has 10 photos, so its floor of 0.9 was not asked for." in found.reasons


def test_a_floor_of_no_slice() -> None:
    with pytest.raises(UserError, match=r"slice_floors: expected one of make, body, .*, or dimension=value, received 'colour'"):
        Demands(slice_floors={"colour": 0.5})
    with pytest.raises(UserError, match=r"or dimension=value, received 'make='"):
        Demands(slice_floors={"make=": 0.5})
    with pytest.raises(UserError, match="slice_floors make: expected a number in 0-1, received True"):
        Demands(slice_floors={"make": True})
    found = judge(made_predictions(1), slice_floors={"make=Audo": 0.5})
    assert not found.blessed
    assert found.reasons[0].startswith("There is no slice make=Audo, so its floor of 0.5 cannot be checked; there are Audi")
    alike = made_predictions(1)
    alike.sizes[:] = 100
    reasons = judge(alike, slice_floors={"photo size": 0.5}).reasons
    assert "The photo size tells no photos apart, so the floor of 0.5 of photo size was not asked for." in reasons


def test_a_slice_of_ten_photos_is_judged() -> None:
    predictions = made_predictions(1, photos=20)
    predictions.labels[:10], predictions.predicted[:10] = 2, 0
    predictions.labels[10:], predictions.predicted[10:] = 0, 0
    assert not judge(predictions, slice_floors={"make=Ford": 0.5}).blessed
    predictions.labels[0] = 0
    assert judge(predictions, slice_floors={"make=Ford": 0.5}).blessed


def test_what_asks_for_no_more_than_there_is_is_met(champion: Path) -> None:
    better = with_share_right(0.85)
    found = judge(better, champion, max_drop=0.1)
    assert found.champion is not None
    top1, mean_iou = (found.champion["differences"][name] for name in ("top1", "mean_iou"))
    assert judge(better, champion, max_drop=0.1, min_gain=top1["difference"]).blessed
    worse = with_share_right(0.78)
    found = judge(worse, champion)
    assert found.champion is not None
    top1 = found.champion["differences"]["top1"]
    # one-sided: the low end of the interval of 95% may be passed
    assert top1["low"] < top1["at_least"] < 0
    assert judge(worse, champion, max_drop=-(top1["low"] + top1["at_least"]) / 2).blessed
    assert not judge(worse, champion, max_drop=-top1["at_least"] - 1e-6).blessed
    assert mean_iou["difference"] == 0


def test_few_photos_without_a_difference_prove_little_but_for_the_same_model(tmp_path: Path) -> None:
    few = made_predictions(1, photos=20)
    champion = save_evaluation(tmp_path / "champion", few)
    found = judge(few, champion)
    assert not found.blessed
    assert "with so few photos it may be worse by more than 0.02" in found.reasons[0]
    same = judge(few, champion, model="the champion")
    assert same.blessed
    assert same.reasons[-1] == f"The champion {champion} is this very model."


@pytest.mark.parametrize(("photos", "worse"), [(20, 0.05), (51, 0.03), (200, 0.025), (1000, 0.025)])
def test_a_model_that_is_worse_by_more_passes_in_one_case_of_twenty(photos: int, worse: float) -> None:
    """The second model loses `worse` of the photos and gains none; .02 would be allowed."""
    rng = np.random.default_rng(photos)
    lost = rng.binomial(photos, worse, 2000)
    at_least, _ = share_difference(np.zeros(2000), lost, photos, 0.95)
    assert (at_least >= -0.02).mean() <= 0.05


def test_without_a_champion_the_minima_alone_decide() -> None:
    found = judge(with_share_right(0.8), min_top1=0.7)
    assert found.blessed
    assert found.champion is None
    assert found.reasons[-1] == "There is no champion to compare with."
    assert judge(with_share_right(0.8), "none").reasons == judge(with_share_right(0.8)).reasons


def refused(predictions: Predictions, champion: Path | str, expected: str) -> None:
    found = judge(predictions, champion)
    assert not found.blessed
    assert found.reasons[0].startswith("The champion cannot be compared with: ")
    assert found.reasons[0].endswith("Without it, run with champion=none once, or give an override.")
    assert expected in found.reasons[0]
    assert found.champion == {"address": str(champion), "differences": {}}


def test_a_champion_that_is_not_there_is_a_refusal(tmp_path: Path) -> None:
    refused(with_share_right(0.9), tmp_path / "nowhere", "expected an evaluation (metrics.json, predictions.parquet)")
    refused(with_share_right(0.9), "https://example.com/model", "found none")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("metrics.json", b"{", "expected JSON"),
        ("metrics.json", b'{"schema": "marque.metrics/1", "top1": 0.8}', "expected schema 'marque.metrics/2'"),
        (
            "metrics.json",
            b'{"schema": "marque.metrics/2"}',
            "expected the metrics of its predictions (top1 0.800000), received top1 None",
        ),
        ("metrics.json", b'{"schema": "marque.metrics/2", "top1": 0.2}', "received top1 0.2"),
        ("predictions.parquet", b"PAR1 no more", "it is damaged or something else"),
    ],
)
def test_corrupt_metrics_of_the_champion_are_a_refusal(champion: Path, name: str, content: bytes, expected: str) -> None:
    (champion / name).write_bytes(content)
    refused(with_share_right(0.9), champion, expected)


def test_metrics_of_the_champion_without_what_a_page_needs_are_a_refusal(champion: Path) -> None:
    metrics = json.loads((champion / "metrics.json").read_text())
    for name in ("mean_iou", "ece", "split", "intervals", "latency_ms", "images_per_s"):
        (champion / "metrics.json").write_text(json.dumps({key: value for key, value in metrics.items() if key != name}))
        refused(with_share_right(0.9), champion, name)


def test_missing_predictions_of_the_champion_are_a_refusal(champion: Path) -> None:
    (champion / "predictions.parquet").unlink()
    refused(with_share_right(0.9), champion, "no such file")


def test_other_test_sets_are_a_refusal(tmp_path: Path, champion: Path) -> None:
    better = with_share_right(0.9)
    refused(only(better, np.arange(300)), champion, "100 of 400 are in the first alone and 0 of 300 in the second alone")
    moved = only(better, np.arange(400))
    moved.true_boxes[7] += 1
    refused(moved, champion, "of 400 photos of the same names 1 have another class, box or size (one is '00007.jpg')")
    nearly = only(better, np.arange(400))
    nearly.true_boxes[7] += 0.5
    refused(nearly, champion, "have another class, box or size")
    larger = only(better, np.arange(400))
    larger.sizes[7] += 1
    refused(larger, champion, "have another class, box or size")
    renamed = only(better, np.arange(400))
    renamed.classes[0] = "another car"
    refused(renamed, champion, "have another class, box or size")
    refused(only(better, np.array([*range(399), 0])), champion, "found some twice")


def test_the_order_of_photos_and_of_classes_does_not_matter(tmp_path: Path) -> None:
    first = with_share_right(0.8)
    turned = only(first, np.random.default_rng(0).permutation(PHOTOS))
    turned.classes[:] = turned.classes[::-1]
    last = len(turned.classes) - 1
    turned.labels[:], turned.predicted[:] = last - turned.labels, last - turned.predicted
    found = judge(first, save_evaluation(tmp_path / "turned", turned))
    assert found.blessed
    assert found.champion is not None
    for name in ("top1", "mean_iou"):
        assert found.champion["differences"][name]["difference"] == pytest.approx(0, abs=1e-9)


def test_a_published_version_is_a_champion_here_and_in_a_bucket(tmp_path: Path, champion: Path, gcs: str) -> None:
    version = tmp_path / "models" / "marque" / "3"
    shutil.copytree(champion, version / IN_SAVED_MODEL)
    (version / "saved_model.pb").write_bytes(b"graph")
    for file in sorted((version / IN_SAVED_MODEL).iterdir()):
        buckets.upload(file, f"gs://{gcs}/marque/3/{IN_SAVED_MODEL}/{file.name}")
    for address in (str(version), f"gs://{gcs}/marque/3"):
        found = judge(with_share_right(0.9), address)
        assert found.blessed
        assert found.champion is not None
        assert found.champion["differences"]["top1"]["difference"] == pytest.approx(0.1)


def test_an_override_lets_a_refused_model_through_and_is_on_record() -> None:
    found = judge(with_share_right(0.5), override="the old test set\nis wrong, J. Doe", min_top1=0.9)
    assert found.blessed
    assert found.override == "the old test set is wrong, J. Doe"
    assert found.reasons[0] == "Top-1 accuracy is 0.5000, below the minimum of 0.9."
    assert found.missed == found.reasons[:1]
    assert found.reasons[-1] == "Let through in spite of that: the old test set is wrong, J. Doe"


def test_an_override_that_is_not_needed_is_said_to_be_so() -> None:
    found = judge(with_share_right(0.95), override="just in case", min_top1=0.9)
    assert found.blessed
    assert (found.override, found.missed) == ("", [])
    assert found.reasons[-1] == "An override was not needed: just in case"


def test_an_override_without_a_reason_is_none() -> None:
    assert not judge(with_share_right(0.5), override="  ", min_top1=0.9).blessed


@pytest.mark.parametrize("minimum", [-0.1, 1.1, 70, math.nan])
def test_demands_are_shares(minimum: float) -> None:
    for name in ("min_top1", "min_mean_iou", "max_drop", "min_gain"):
        with pytest.raises(UserError, match=rf"^{name}: expected a number in 0-1, received"):
            Demands(**{name: minimum})
    with pytest.raises(UserError, match=r"^slice_floors make: expected a number in 0-1, received"):
        Demands(slice_floors={"make": minimum})
