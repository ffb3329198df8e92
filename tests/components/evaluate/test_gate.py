import math

import pytest

from components.common.errors import UserError
from components.evaluate.gate import check_minima, verdict


@pytest.mark.parametrize(
    ("top1", "mean_iou", "blessed"), [(0.7, 0.8, True), (0.9, 0.9, True), (0.69, 0.9, False), (0.9, 0.79, False), (0, 0, False)]
)
def test_a_model_is_blessed_when_it_reaches_every_minimum(top1: float, mean_iou: float, blessed: bool) -> None:
    assert verdict({"top1": top1, "mean_iou": mean_iou}, 0.7, 0.8)[0] is blessed


def test_reasons_say_which_minimum_was_missed() -> None:
    assert verdict({"top1": 0.61, "mean_iou": 0.82}, 0.7, 0.8)[1] == [
        "Top-1 accuracy is 0.6100, below the minimum of 0.7.",
        "Mean IoU is 0.8200, which reaches the minimum of 0.8.",
    ]


def test_a_miss_by_a_hair_does_not_read_as_reached() -> None:
    blessed, reasons = verdict({"top1": 0.69999, "mean_iou": 0.5}, 0.7, 0)
    assert not blessed
    assert reasons == [
        "Top-1 accuracy is 0.7000, a hair below the minimum of 0.7.",
        "Mean IoU is 0.5000; no minimum was set.",
    ]


@pytest.mark.parametrize("minimum", [-0.1, 1.1, 70, math.nan])
def test_a_minimum_is_a_share(minimum: float) -> None:
    with pytest.raises(UserError, match=r"^min_mean_iou: expected a number in 0-1, received"):
        check_minima(0, minimum)
