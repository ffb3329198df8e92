from pathlib import Path

import numpy as np

from components.common.records import open_records
from components.evaluate.answers import Answers, Clock, ask, photos_at
from components.evaluate.predict import load_servable


def test_single_photos_are_those_of_their_rows(colour_records: Path) -> None:
    records = open_records([colour_records])
    photos = [example["jpeg"] for example in records.examples("test")]
    rows = [11, 0, 5, 6]
    assert list(photos_at(records, "test", rows)) == [photos[row] for row in rows]


def test_answers_do_not_depend_on_the_batch(colour_model: Path, colour_records: Path) -> None:
    servable, records = load_servable(colour_model), open_records([colour_records])

    def joined(batch: int) -> tuple[list[Answers], dict[str, np.ndarray]]:
        parts = list(ask(servable, records, "test", batch, Clock()))
        names = ("files", "labels", "sizes", "true_boxes", "ids", "boxes", "scores")
        return parts, {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}

    (small, first), (large, second) = joined(5), joined(64)
    assert [len(part.files) for part in small] == [5, 5, 2]
    assert len(large) == 1
    scores = first.pop("scores"), second.pop("scores")
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
    np.testing.assert_allclose(*scores, atol=1e-6)


def test_the_clock_counts_every_photo_and_times_single_ones(colour_model: Path, colour_records: Path) -> None:
    clock = Clock()
    for _ in ask(load_servable(colour_model), open_records([colour_records]), "test", 5, clock):
        pass
    figures = clock.figures()
    assert clock.photos == 12
    assert len(clock.single_s) == 5
    assert figures["images_per_s"] > 0
    assert 0 < figures["latency_ms"]["p50"] <= figures["latency_ms"]["p95"]
