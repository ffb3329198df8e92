"""What is drawn: boxes in shares of the photo, text that stays text."""

import base64
import io
import re
from html.parser import HTMLParser

import pytest
from PIL import Image

from serving.app import drawing

HOSTILE = '"><script>alert(1)</script>&'


class Reader(HTMLParser):
    """The tags, and what stands between them and in their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.texts += [value or "" for _, value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_box_lies_where_it_is_in_the_photo() -> None:
    shown = drawing.picture(Image.new("RGB", (2000, 1000)), 100)
    drawn = drawing.photo(shown, {drawing.PREDICTED: (500, 250, 1500, 1000)}, "a car")
    assert 'data-box="predicted" style="left:25.000%;top:25.000%;width:50.000%;height:75.000%"' in drawn
    with Image.open(io.BytesIO(base64.b64decode(shown.uri.partition(",")[2]))) as small:
        assert small.size == (100, 50)


def test_an_inverted_box_is_empty() -> None:
    drawn = drawing.photo(drawing.Picture("", 10, 10), {drawing.TRUE: (5, 5, 4, 4)}, "")
    assert "width:0.000%;height:0.000%" in drawn


def test_a_small_picture_knows_the_photo_s_own_size() -> None:
    content = io.BytesIO()
    Image.new("L", (1200, 900)).save(content, "JPEG")
    shown = drawing.small_picture(content.getvalue())
    assert (shown.width, shown.height) == (1200, 900)


@pytest.mark.parametrize(
    "html",
    [
        drawing.photo(drawing.Picture("", 10, 10), {}, HOSTILE),
        drawing.bars([HOSTILE], [0.5], HOSTILE),
        drawing.figure("", [(HOSTILE, "m-quiet")]),
        drawing.cards([(HOSTILE, HOSTILE, HOSTILE)]),
        drawing.legend([("true", HOSTILE)]),
        drawing.note(HOSTILE),
    ],
)
def test_text_stays_text(html: str) -> None:
    reader = Reader()
    reader.feed(html)
    assert "script" not in reader.tags
    assert any(HOSTILE in text for text in reader.texts)


def test_bars_are_as_long_as_their_scores_and_mark_the_truth() -> None:
    html = drawing.bars(["a", "b"], [0.75, 1.2], "b")
    assert re.findall(r"width:([\d.]+)%", html) == ["75.0", "100.0"]
    assert html.index("✓") > html.index("<li", html.index("<li") + 1)
