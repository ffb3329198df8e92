"""Properties of boxes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.common import boxes

WHOLE = st.integers(-50, 300)
SIZE = st.integers(1, 4000)


@st.composite
def any_box(draw: st.DrawFn) -> list[int]:
    return [draw(WHOLE) for _ in range(4)]


@st.composite
def sound_box(draw: st.DrawFn) -> list[int]:
    x1, y1 = draw(WHOLE), draw(WHOLE)
    return [x1, y1, x1 + draw(st.integers(1, 200)), y1 + draw(st.integers(1, 200))]


def _pixels(box: list[int]) -> set[tuple[int, int]]:
    x1, y1, x2, y2 = box
    return {(x, y) for x in range(x1, x2) for y in range(y1, y2)}


def test_the_first_pixel_in_both_conventions() -> None:
    assert boxes.from_inclusive([1, 1, 1, 1]).tolist() == [0, 0, 1, 1]
    assert boxes.to_inclusive([0, 0, 1, 1]).tolist() == [1, 1, 1, 1]


@given(sound_box())
def test_inclusive_there_and_back(box: list[int]) -> None:
    assert boxes.from_inclusive(boxes.to_inclusive(box)).tolist() == box


@given(any_box(), SIZE, SIZE)
def test_clipped_boxes_lie_in_the_frame(box: list[int], width: int, height: int) -> None:
    x1, y1, x2, y2 = boxes.clip(box, width, height).tolist()
    assert 0 <= min(x1, x2) <= max(x1, x2) <= width
    assert 0 <= min(y1, y2) <= max(y1, y2) <= height


@given(sound_box(), SIZE, SIZE)
def test_clipping_keeps_the_order_and_the_inner_part(box: list[int], width: int, height: int) -> None:
    clipped = boxes.clip(box, width, height)
    assert clipped[0] <= clipped[2]
    assert clipped[1] <= clipped[3]
    inside_x = max(min(box[2], width) - max(box[0], 0), 0)
    inside_y = max(min(box[3], height) - max(box[1], 0), 0)
    assert boxes.area(clipped) == inside_x * inside_y


@given(st.lists(sound_box(), min_size=1, max_size=5), SIZE, SIZE)
def test_relative_there_and_back(some: list[list[int]], width: int, height: int) -> None:
    relative = boxes.to_relative(some, width, height)
    assert relative.dtype == np.float32
    np.testing.assert_allclose(boxes.to_pixels(relative, width, height), some, rtol=1e-5, atol=1e-3)


def test_relative_boxes_of_photos_of_different_sizes() -> None:
    relative = boxes.to_relative([[10, 10, 20, 30], [10, 10, 20, 30]], [100, 50], [100, 200])
    np.testing.assert_allclose(relative, [[0.1, 0.1, 0.2, 0.3], [0.2, 0.05, 0.4, 0.15]])


@given(any_box())
def test_area_counts_pixels(box: list[int]) -> None:
    assert boxes.area(box) == max(box[2] - box[0], 0) * max(box[3] - box[1], 0)


small = st.builds(lambda x, y, w, h: [x, y, x + w, y + h], *[st.integers(0, 12)] * 2, *[st.integers(0, 12)] * 2)


@given(small, small)
def test_iou_counts_pixels(first: list[int], second: list[int]) -> None:
    union = _pixels(first) | _pixels(second)
    expected = len(_pixels(first) & _pixels(second)) / len(union) if union else 0
    assert float(boxes.iou(first, second)) == pytest.approx(expected, abs=1e-6)
    assert boxes.iou(first, second) == boxes.iou(second, first)


@given(sound_box(), st.integers(-1000, 1000), st.integers(-1000, 1000))
def test_iou_with_itself_and_with_its_shift(box: list[int], dx: int, dy: int) -> None:
    other = np.add(box, [40, -30, 40, -30])
    assert boxes.iou(box, box) == 1
    assert boxes.iou(np.add(box, [dx, dy, dx, dy]), np.add(other, [dx, dy, dx, dy])) == boxes.iou(box, other)


def test_iou_of_many_pairs() -> None:
    a = np.array([[0, 0, 2, 2], [0, 0, 2, 2], [5, 5, 5, 5]], np.float32)
    b = np.array([[1, 0, 3, 2], [4, 4, 6, 6], [5, 5, 5, 5]], np.float32)
    np.testing.assert_allclose(boxes.iou(a, b), [1 / 3, 0, 0], rtol=1e-6)
