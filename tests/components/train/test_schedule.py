"""The learning rate, step by step."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.train.config import TrainConfig
from components.train.schedule import Schedule


def test_warm_up_then_cosine() -> None:
    schedule = Schedule(TrainConfig(epochs=10, learning_rate=0.5, warm_up=0.2), steps_per_epoch=10)
    assert [schedule.rate(step) for step in (0, 9, 19)] == pytest.approx([0.025, 0.25, 0.5])
    assert schedule.rate(20) == pytest.approx(0.5)
    assert schedule.rate(60) == pytest.approx(0.5 * (0.01 + 0.99 / 2))
    assert schedule.rate(100) == pytest.approx(0.005)


@given(st.integers(1, 20), st.integers(1, 50), st.floats(0, 1), st.integers(0, 25), st.sampled_from(["cosine", "plateau"]))
def test_no_rate_is_above_the_peak_or_below_zero(epochs: int, steps: int, warm_up: float, frozen: int, kind: str) -> None:
    schedule = Schedule(TrainConfig(epochs=epochs, warm_up=warm_up, frozen_epochs=frozen, schedule=kind), steps)
    rates = [schedule.rate(step) for step in range(epochs * steps)]
    assert all(0 < rate <= 1e-3 + 1e-9 for rate in rates)


def test_heads_alone_are_trained_at_the_peak_and_the_warm_up_comes_after() -> None:
    schedule = Schedule(TrainConfig(epochs=4, frozen_epochs=2, warm_up=0.5, learning_rate=1.0), steps_per_epoch=10)
    assert {schedule.rate(step) for step in range(20)} == {1.0}
    assert schedule.rate(20) == pytest.approx(0.1)


def test_a_plateau_lowers_the_rate_to_its_floor() -> None:
    schedule = Schedule(TrainConfig(schedule="plateau", warm_up=0.0, learning_rate=1e-3), steps_per_epoch=1)
    schedule.epoch_ended(1.0)
    for _ in range(4):
        schedule.epoch_ended(1.0)
    assert schedule.rate(5) == 1e-3
    schedule.epoch_ended(math.nan)
    assert schedule.rate(5) == pytest.approx(1e-3 / 3)
    schedule.epoch_ended(0.9)
    for _ in range(100):
        schedule.epoch_ended(2.0)
    assert schedule.rate(5) == 1e-6


def test_patience_ends_only_where_it_is_set() -> None:
    patient, endless = (Schedule(TrainConfig(patience=patience), 1) for patience in (2, 0))
    for loss in (1.0, 0.9, 0.95):
        patient.epoch_ended(loss)
        endless.epoch_ended(loss)
    assert not patient.stalled
    patient.epoch_ended(0.95)
    endless.epoch_ended(0.95)
    assert patient.stalled
    assert not endless.stalled
