"""Heat by hiding parts: a model that looks at one place is hot there and nowhere else, and what it costs is bounded."""

import io
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from serving.app import occlusion
from serving.app.occlusion import GRAY, GRIDS, SIDE_PX
from serving.client.wire import Prediction

WHITE = Image.new("RGB", (640, 320), "white")


class Looker:
    """Sure as long as the place (x, y, in shares of the photo) is white; the box moves away when it is not."""

    def __init__(self, x: float, y: float):
        self.x, self.y, self.sizes = x, y, []

    def ask(self, jpegs: Sequence[bytes]) -> list[Prediction]:
        return [self._answer(Image.open(io.BytesIO(jpeg))) for jpeg in jpegs]

    def _answer(self, photo: Image.Image) -> Prediction:
        self.sizes.append(photo.size)
        seen = photo.getpixel((int(self.x * photo.width), int(self.y * photo.height)))[0] > 200
        labels, scores = (["car", "van"], [0.9, 0.1]) if seen else (["van", "bus"], [0.7, 0.3])
        box = (0.0, 0.0, 10.0, 10.0) if seen else (5.0, 0.0, 15.0, 10.0)
        return Prediction(labels, scores, box, 1)


def test_what_the_answer_hangs_on_is_hot() -> None:
    heat = occlusion.heat(WHITE, 8, Looker(0.8, 0.3).ask)
    assert heat.label == "car"
    assert heat.score.shape == heat.box.shape == (4, 8)
    row, column = 1, 6  # (0.3 * 4, 0.8 * 8)
    assert heat.score[row, column] == pytest.approx(0.9)  # "car" is not among the answers then
    assert heat.box[row, column] == pytest.approx(1 - 1 / 3)
    far = np.ones((4, 8), bool)
    far[row - 1 : row + 2, column - 1 : column + 2] = False  # a patch reaches half of the neighbours
    assert np.abs(heat.score[far]).max() == np.abs(heat.box[far]).max() == 0


@pytest.mark.parametrize("size", [(4000, 3000), (100, 3000), (30, 20)])
def test_what_is_asked_is_bounded(size: tuple[int, int]) -> None:
    looker = Looker(0.5, 0.5)
    occlusion.heat(Image.new("RGB", size, "white"), max(GRIDS), looker.ask)
    assert len(looker.sizes) <= max(GRIDS) ** 2 + 1
    assert max(map(max, looker.sizes)) <= SIDE_PX


@given(st.integers(1, 200), st.integers(1, 200), st.integers(1, 12))
def test_every_part_is_hidden_once_at_least(width: int, height: int, cells: int) -> None:
    rows, columns = occlusion.grid(width, height, cells)
    assert max(rows, columns) == cells
    photos = list(occlusion.hidden(Image.new("RGB", (width, height), "white"), rows, columns))
    assert len(photos) == rows * columns
    gray = sum((np.asarray(photo) == GRAY).all(-1).astype(int) for photo in photos)
    assert np.min(gray) >= 1


def test_an_overlay_is_clear_where_nothing_is_lost() -> None:
    loss = np.zeros((4, 8), np.float32)
    loss[1, 6] = 0.5
    alpha = np.asarray(Image.open(io.BytesIO(occlusion.overlay(loss, 160, 80))))[..., 3]
    assert alpha.shape == (80, 160)
    y, x = np.unravel_index(alpha.argmax(), alpha.shape)
    assert (x // 20, y // 20) == (6, 1)
    assert alpha[:, :80].max() == 0


def test_noise_is_not_blown_up_to_heat() -> None:
    loss = np.full((2, 2), occlusion.FAINT / 100, np.float32)
    alpha = np.asarray(Image.open(io.BytesIO(occlusion.overlay(loss, 20, 20))))[..., 3]
    assert alpha.max() < 10
