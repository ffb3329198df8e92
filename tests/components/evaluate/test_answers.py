from pathlib import Path

import numpy as np

from components.common.records import open_records
from components.evaluate.answers import ask, photos_at
from components.evaluate.predict import load_servable


def test_single_photos_are_those_of_their_rows(colour_records: Path) -> None:
    records = open_records([colour_records])
    photos = [example["jpeg"] for example in records.examples("test")]
    rows = [11, 0, 5, 6]
    assert list(photos_at(records, "test", rows)) == [photos[row] for row in rows]


def test_answers_do_not_depend_on_the_batch(colour_model: Path, colour_records: Path) -> None:
    servable, records = load_servable(colour_model), open_records([colour_records])
    (first, _), (second, _) = (ask(servable, records, "test", batch) for batch in (5, 64))
    assert first.files == second.files
    for name in ("labels", "sizes", "true_boxes", "ids", "boxes"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    np.testing.assert_allclose(first.scores, second.scores, atol=1e-6)
