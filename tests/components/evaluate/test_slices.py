"""Slices: what a class name tells, which photos are in which slice, and their figures."""

import numpy as np
import pytest

from components.evaluate import slices
from components.evaluate.class_names import Traits, traits
from components.evaluate.orders import orders
from tests.components.evaluate.conftest import CARS, made_predictions


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Audi A5 Coupe 2012", Traits("Audi", "Coupe", "2012")),
        ("AM General Hummer SUV 2000", Traits("AM General", "SUV", "2000")),
        ("Aston Martin V8 Vantage Convertible 2012", Traits("Aston Martin", "Convertible", "2012")),
        ("Acura TL Type-S 2008", Traits("Acura", "", "2008")),
        ("Ram C-V Cargo Van Minivan 2012", Traits("Ram", "Minivan", "2012")),
        ("Chevrolet Silverado 1500 Extended Cab 2012", Traits("Chevrolet", "Pickup", "2012")),
        ("Ford F-150 SuperCab 2007", Traits("Ford", "Pickup", "2007")),
        ("Dodge Sprinter Cargo Van 2009", Traits("Dodge", "Van", "2009")),
        ("Volvo 240 Sedan 1993", Traits("Volvo", "Sedan", "1993")),
        ("bird of paradise", Traits("bird", "", "")),
        ("Vanguard 2012 Concept", Traits("Vanguard", "", "")),
    ],
)
def test_a_class_name_is_taken_apart(name: str, expected: Traits) -> None:
    assert traits(name) == expected


def test_slices_hold_every_photo_once_and_the_figures_are_theirs() -> None:
    predictions = made_predictions(1, photos=400)
    table = slices.table(predictions, float(predictions.right.mean()))
    assert set(table["dimension"]) == {"make", "body", "year", "box size", "box aspect", "photo size", "confidence"}
    for _, rows in table.groupby("dimension"):
        assert rows["photos"].sum() == 400
        assert (rows["photos"] @ rows["top1"]) / 400 == pytest.approx(predictions.right.mean())
        assert (rows["photos"] @ rows["mean_iou"]) / 400 == pytest.approx(predictions.iou.mean(dtype=float))
    for row in table.itertuples():
        assert 0 <= row.top1_low <= row.top1 <= row.top1_high <= 1
        assert 0 <= row.mean_iou_low <= row.mean_iou <= row.mean_iou_high <= 1
    audis = table[(table["dimension"] == "make") & (table["value"] == "Audi")].iloc[0]
    inside = np.isin(predictions.labels, [0, 1])
    assert audis["photos"] == inside.sum()
    assert audis["top1"] == pytest.approx(predictions.right[inside].mean())


def test_edges_belong_to_the_upper_slice_and_the_order_is_that_of_size() -> None:
    predictions = made_predictions(1, photos=4)
    predictions.true_boxes[:] = [[0, 0, 50, 49], [0, 0, 50, 50], [0, 0, 100, 75], [0, 0, 100, 74]]
    predictions.sizes[:] = 100
    sizes = slices.table(predictions, 0.5).query("dimension == 'box size'")
    assert sizes["value"].tolist() == ["under 25%", "25% to 50%", "50% to 75%", "75% or more"]
    assert sizes["photos"].tolist() == [1, 1, 1, 1]


def test_a_slice_that_is_worse_for_sure_is_weak_and_a_small_one_is_not() -> None:
    predictions = made_predictions(2, photos=200, skill=1.0)
    predictions.labels[:9], predictions.predicted[:9] = 2, 0
    predictions.labels[9:200], predictions.predicted[9:200] = 0, 0
    predictions.labels[60:90], predictions.predicted[60:90] = 3, 0
    weak = slices.table(predictions, float(predictions.right.mean())).query("weak")
    assert weak.query("dimension == 'make'")["value"].tolist() == ["Ram"]


def test_a_slice_is_not_weak_by_chance_nor_for_its_confidence() -> None:
    predictions = made_predictions(2, photos=300, skill=1.0)
    predictions.labels[:], predictions.predicted[:] = np.arange(300) % 4, np.arange(300) % 4
    predictions.scores[:] = np.where(np.arange(300) < 100, 0.3, 0.9)
    # the vans: 2 of 75 wrong, which may be chance; the unsure: 40 of 100 wrong
    wrong = [3, 7, *range(100, 0, -4)[:13], *range(1, 100, 4)[:13], *range(2, 100, 4)[:12]]
    predictions.predicted[wrong] = (predictions.predicted[wrong] + 1) % 4
    table = slices.table(predictions, float(predictions.right.mean()))
    unsure = table[(table["dimension"] == "confidence") & (table["value"] == "under 50%")].iloc[0]
    assert unsure["top1_high"] < predictions.right.mean()
    assert not unsure["weak"]
    by_chance = table[(table["top1"] < predictions.right.mean()) & (table["top1_high"] > predictions.right.mean())]
    assert len(by_chance)
    assert not by_chance["weak"].any()


def test_one_photo_has_slices_of_which_little_is_known() -> None:
    one = made_predictions(3, photos=2)
    one.labels[:], one.sizes[:], one.scores[:] = 0, 100, 0.3
    one.true_boxes[:] = [[0, 0, 90, 90], [0, 0, 10, 10]]
    table = slices.table(one, 1.0)
    assert table["dimension"].unique().tolist() == ["box size"]
    assert table[["mean_iou_low", "mean_iou_high"]].to_numpy().tolist() == [[0, 1], [0, 1]]


def test_photos_that_nothing_tells_apart_have_no_slices() -> None:
    one = made_predictions(3, photos=1)
    assert slices.table(one, 1.0).empty


def test_orders_hold_every_class_and_put_the_confused_side_by_side() -> None:
    matrix = np.diag([9, 9, 9, 9, 9])
    matrix[0, 4] = matrix[4, 0] = 8
    found = orders(matrix, CARS)
    assert all(sorted(order) == [0, 1, 2, 3, 4] for order in found.values())
    by_similarity = found["by similarity"]
    assert abs(by_similarity.index(0) - by_similarity.index(4)) == 1
    assert (
        abs(orders(np.diag([9] * 5), CARS)["by similarity"].index(0) - orders(np.diag([9] * 5), CARS)["by similarity"].index(1))
        == 1
    )
    assert found["by make"] == [0, 1, 2, 3, 4]
    assert orders(np.diag([1, 1]), ["b", "a"]) == {"by name": [1, 0], "by make": [1, 0], "by similarity": [0, 1]}
