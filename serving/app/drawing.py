"""Photos with boxes, and scores as bars: HTML that scales with the page. Whatever text comes in is escaped."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from PIL import Image

TRUE, PREDICTED = "true", "predicted"
SHOWN_PX = 960
SMALL_PX = 240
JPEG_QUALITY = 80
Edges = Sequence[float]


@dataclass(frozen=True)
class Picture:
    """A photo as the page shows it: `uri` holds a small JPEG; `width` and `height` are the photo's own, as boxes count them."""

    uri: str
    width: int
    height: int


def picture(image: Image.Image, side_px: int = SHOWN_PX) -> Picture:
    """An upright RGB image as a picture of at most `side_px` x `side_px` pixels."""
    small = image.copy()
    small.thumbnail((side_px, side_px))
    content = io.BytesIO()
    small.convert("RGB").save(content, "JPEG", quality=JPEG_QUALITY)
    return Picture(data_uri(content.getvalue(), "jpeg"), *image.size)


def small_picture(jpeg: bytes, side_px: int = SMALL_PX) -> Picture:
    """The same of a dataset's JPEG, decoded no larger than it is shown."""
    with Image.open(io.BytesIO(jpeg)) as photo:
        width, height = photo.size
        photo.draft("RGB", (side_px, side_px))
        small = photo.convert("RGB")
    return Picture(picture(small, side_px).uri, width, height)


def data_uri(content: bytes, kind: str) -> str:
    """An image as an address that holds it."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def photo(shown: Picture, boxes: Mapping[str, Edges], words: str, over: bytes | None = None) -> str:
    """The picture with `boxes` (x1, y1, x2, y2 in the photo's pixels) by what they are, `TRUE` or `PREDICTED`.

    Args:
        words: what the picture shows, for those who do not see it.
        over: a PNG to lie over all of the photo, below the boxes.
    """
    layers = [f'<img src="{shown.uri}" alt="{escape(words)}">']
    if over is not None:
        layers.append(f'<img class="m-heat" src="{data_uri(over, "png")}" alt="heat map">')
    for kind, (x1, y1, x2, y2) in boxes.items():
        left, top = 100 * x1 / shown.width, 100 * y1 / shown.height
        width, height = 100 * max(x2 - x1, 0) / shown.width, 100 * max(y2 - y1, 0) / shown.height
        edges = f"left:{left:.3f}%;top:{top:.3f}%;width:{width:.3f}%;height:{height:.3f}%"
        layers.append(f'<span class="m-box m-{kind}" data-box="{kind}" style="{edges}"></span>')
    tall = " m-tall" if 3 * shown.width < 4 * shown.height else ""
    ratio = f"--m-ratio:{shown.width / shown.height:.5f}"
    return f'<div class="m-frame"><div class="m-photo{tall}" style="{ratio}">{"".join(layers)}</div></div>'


def bars(labels: Sequence[str], scores: Sequence[float], truth: str = "") -> str:
    """The answers with their scores (0-1) as bars, the best first; the one that is `truth` is marked."""
    rows = []
    for label, score in zip(labels, scores, strict=True):
        mark = ' <span class="m-good" title="the true class">✓</span>' if label == truth else ""
        rows.append(
            f'<li><span class="m-name">{escape(label)}{mark}</span><span class="m-score">{score:.1%}</span>'
            f'<span class="m-track"><i style="width:{100 * min(max(score, 0), 1):.1f}%"></i></span></li>'
        )
    return f'<ol class="m-bars" data-answers="{len(rows)}">{"".join(rows)}</ol>'


def figure(drawn: str, lines: Sequence[tuple[str, str]]) -> str:
    """A drawn photo with lines below, each (text, class of style.css)."""
    caption = "".join(f'<span class="{kind}">{escape(text)}</span>' for text, kind in lines if text)
    return f'<figure class="m-figure">{drawn}<figcaption>{caption}</figcaption></figure>'


def gallery(figures: Sequence[str]) -> str:
    """Figures side by side, as many as fit."""
    return f'<div class="m-gallery">{"".join(figures)}</div>'


def cards(figures: Sequence[tuple[str, str, str]]) -> str:
    """Figures as cards: (what it is, its value, a line of plain words)."""
    shown = "".join(
        f"<div><dt>{escape(name)}</dt><dd><b>{escape(value)}</b><span>{escape(note)}</span></dd></div>"
        for name, value, note in figures
    )
    return f'<dl class="m-cards">{shown}</dl>'


def note(text: str) -> str:
    """A quiet line of text that holds names from outside, which Streamlit's captions would read as Markdown."""
    return f'<p class="m-note">{escape(text)}</p>'


def legend(entries: Sequence[tuple[str, str]]) -> str:
    """What the strokes mean: (`TRUE` or `PREDICTED`, words)."""
    return f'<p class="m-legend">{"".join(f"<span><i class=m-{kind}></i>{escape(words)}</span>" for kind, words in entries)}</p>'
