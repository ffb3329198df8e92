"""The pictures of `make plots`: what they show is what was counted and drawn, and their words can be read."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image

from components.train.__main__ import main
from components.train.plots import charts
from components.train.plots.photos import grid
from components.train.plots.write import POLICIES, count_draws, gallery, run
from components.train.sampling import Sampler

PICTURES = {"splits", "balance", "within-classes", "photos", *(f"gallery-{policy}" for policy in POLICIES)}
PHOTO = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
BOX = np.array([0.2, 0.3, 0.8, 0.9], np.float32)


def names(count: int) -> list[str]:
    return [f"Make {number} Model With A Long Name Convertible 2012" for number in range(count)]


def equal(count: int) -> np.ndarray:
    return np.full(count, 1 / count)


def drawn_balance(count: int) -> Figure:
    photos = np.arange(count) + 20
    return charts.balance(
        photos,
        {"uniform": np.full(count, 90), "natural": photos},
        dict.fromkeys(["uniform", "natural"], equal(count)),
        names(count),
    )


def drawn_splits(count: int) -> Figure:
    return charts.splits({"train": np.arange(count) + 20, "validation": np.full(count, 3), "test": np.full(count, 5)}, names(count))


def drawn_within(count: int) -> Figure:
    return charts.within_classes([np.full(label + 1, 900) for label in range(count)], names(count), 0)


def drawn_grid(count: int) -> Figure:
    return grid(np.stack([PHOTO] * count), np.stack([BOX] * count), names(count), "Photos of several classes")


@pytest.mark.parametrize("count", [2, 8, 25])
@pytest.mark.parametrize("draw", [drawn_balance, drawn_splits, drawn_within, drawn_grid])
@pytest.mark.slow
def test_words_overlap_nowhere(draw: object, count: int) -> None:
    assert_readable(draw(count))


@pytest.mark.parametrize("draw", [drawn_balance, drawn_splits, drawn_within])
@pytest.mark.slow
def test_words_overlap_nowhere_with_196_classes(draw: object) -> None:
    assert_readable(draw(196))


def assert_readable(figure: Figure) -> None:
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    hidden = undrawn_labels(figure)
    words = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text() and text not in hidden]
    places = [text.get_window_extent() for text in words]
    page = figure.bbox.padded(1)
    outside = [text.get_text() for text, at in zip(words, places, strict=True) if cut(page, at)]
    assert outside == []
    assert [(words[i].get_text(), words[j].get_text()) for i, j in overlapping(places)] == []


def cut(page: Bbox, place: Bbox) -> bool:
    return not (page.contains(*place.min) and page.contains(*place.max))


def overlapping(places: list[Bbox]) -> list[tuple[int, int]]:
    return [(i, j) for i, j in itertools.combinations(range(len(places)), 2) if places[i].overlaps(places[j])]


def undrawn_labels(figure: Figure) -> set[Text]:
    """Labels of ticks that exist but lie outside their axis, or on axes that are off."""
    labels = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            labels.update(tick.label1 for tick in axis.get_major_ticks() if not (axes.axison and low <= tick.get_loc() <= high))
    return labels


def test_draws_are_counted_photo_by_photo() -> None:
    photos = np.random.default_rng(1).integers(1, 30, 150)
    times = count_draws(photos, 2.0)
    labels, members = Sampler(photos, 0, 2.0).draws(0, 320_000)
    assert [len(each) for each in times] == photos.tolist()
    for label in (0, 70, 149):
        np.testing.assert_array_equal(times[label], np.bincount(members[labels == label], minlength=photos[label]))


def test_classes_come_with_most_train_photos_first() -> None:
    axes = charts.splits({"train": [3, 9, 5], "validation": [1, 1, 1], "test": [2, 2, 2]}, ["a", "b", "c"]).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["b", "c", "a"]
    assert axes.get_ylim() == (2.5, -0.5)
    assert [bar.get_width() for bar in axes.patches] == [9, 5, 3, 1, 1, 1, 2, 2, 2]
    assert [bar.get_x() for bar in axes.patches[6:]] == [10, 6, 4]


def test_the_balance_chart_tells_right_shares_from_wrong_ones() -> None:
    photos = np.array([40, 20])
    figure = charts.balance(
        photos,
        {"uniform": np.array([500, 500]), "natural": np.array([500, 500])},
        {"uniform": equal(2), "natural": photos / 60},
        ["a", "b"],
    )
    _, uniform, natural = (axes.get_title() for axes in figure.axes)
    assert uniform == "uniform\nχ² = 0.00, p = 1.000"
    assert natural.endswith("p = 0.000")


def test_boxes_lie_where_they_are_said_to() -> None:
    (axes,) = (axes for axes in grid(PHOTO[None], BOX[None], ["a car"], "").axes if axes.images)
    (edge,) = (patch for patch in axes.patches if isinstance(patch, Rectangle))
    np.testing.assert_allclose(edge.get_bbox().extents, BOX, rtol=1e-6)
    assert axes.images[0].get_extent() == [0, 1, 1, 0]


@pytest.mark.parametrize("policy", ["seed", "imgaug", pytest.param("graph", marks=pytest.mark.slow)])
def test_a_gallery_shows_the_photo_and_24_draws_of_it(policy: str) -> None:
    panels = gallery(policy, PHOTO, BOX, 1.0).axes
    photos = np.stack([axes.images[0].get_array() for axes in panels])
    boxes = np.stack([axes.patches[0].get_bbox().extents for axes in panels])
    assert len(panels) == 25
    np.testing.assert_array_equal(photos[0], PHOTO)
    assert len(np.unique(photos.reshape(25, -1), axis=0)) == 25
    assert len(np.unique(boxes, axis=0)) > 20


@pytest.mark.slow
def test_every_picture_is_written_whole(toy_records: list[Path], tmp_path: Path) -> None:
    output = tmp_path / "plots"
    output.mkdir()
    (output / "notes.txt").touch()
    assert {path.stem for path in run(toy_records, output, 0.5)} == PICTURES
    assert {path.name for path in output.iterdir()} == {"notes.txt", *(f"{name}.png" for name in PICTURES)}
    for name in PICTURES:
        with Image.open(output / f"{name}.png") as picture:
            picture.load()
            assert len(picture.convert("RGB").getcolors(2**24) or []) > 20


def test_wrong_use_ends_in_one_line_and_writes_nothing(toy_records: list[Path], tmp_path: Path) -> None:
    output = tmp_path / "plots"
    for records, strength, expected in [
        (toy_records[:1], "1", "shards"),
        (toy_records, "1.5", "strength: expected 0 to 1, received 1.5"),
    ]:
        folders = [f"--records={folder}" for folder in records]
        result = CliRunner().invoke(main, ["plots", *folders, f"--output={output}", f"--strength={strength}"])
        assert result.exit_code == 1
        assert expected in result.stderr
        assert "Traceback" not in result.output
        assert not output.exists()
