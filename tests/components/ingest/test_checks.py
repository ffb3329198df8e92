"""Every reason to set a photo aside, and what passes."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from components.common import boxes
from components.common.errors import UserError
from components.ingest import checks
from components.ingest.checks import CheckedPhoto, RejectedPhoto, check_photo, without_copies, without_repeats
from components.ingest.jpeg import reaches_its_end
from components.ingest.listing import ListedPhoto

WIDTH, HEIGHT = 40, 30
BOX = (4.0, 3.0, 30.0, 20.0)
SPOTS = Image.fromarray(np.random.default_rng(0).integers(0, 256, (3, 4, 3), np.uint8))
PHOTO = SPOTS.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)


def _bytes(photo: Image.Image, kind: str = "JPEG", **settings: object) -> bytes:
    stored = io.BytesIO()
    photo.save(stored, kind, **settings)
    return stored.getvalue()


JPEG = _bytes(PHOTO)
PROGRESSIVE = _bytes(PHOTO, progressive=True)


def _check(tmp_path: Path, content: bytes | None, box: tuple = BOX, label: int = 0) -> CheckedPhoto | RejectedPhoto:
    path = tmp_path / "photo"
    if content is not None:
        path.write_bytes(content)
    (tmp_path / "scratch").mkdir(exist_ok=True)
    return check_photo(ListedPhoto("photo", path, label, box, "train"), 2, tmp_path / "scratch")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "missing file"),
        (b"", "not a JPEG or PNG"),
        (b"<html>", "not a JPEG or PNG"),
        (_bytes(PHOTO, "GIF"), "not a JPEG or PNG"),
        (_bytes(PHOTO, "BMP"), "not a JPEG or PNG"),
        (JPEG[:4], "truncated or damaged"),
        (JPEG[: len(JPEG) // 2], "truncated or damaged"),
        (JPEG[:-2], "truncated or damaged"),
        (_bytes(PHOTO, progressive=True)[:-200], "truncated or damaged"),
        (_bytes(PHOTO, "PNG")[:600], "truncated or damaged"),
        (_bytes(PHOTO, "PNG")[:60] + b"damage" + _bytes(PHOTO, "PNG")[66:], "truncated or damaged"),
        (JPEG[:20] + bytes(300) + JPEG[20:], "truncated or damaged"),
    ],
)
def test_broken_photos(content: bytes | None, reason: str, tmp_path: Path) -> None:
    result = _check(tmp_path, content)
    assert isinstance(result, RejectedPhoto)
    assert result.reason == reason


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ((10, 10, 10, 20), "empty box"),
        ((10, 10, 20, 10), "empty box"),
        ((float("nan"), 0, 10, 10), "empty box"),
        ((20, 10, 10, 20), "inverted box"),
        ((10, 20, 20, 10), "inverted box"),
        ((WIDTH, 0, WIDTH + 10, 10), "box outside the frame"),
        ((-20, -20, 0, 0), "box outside the frame"),
        ((30, 0, 51, HEIGHT), "box outside the frame"),
        ((0, 0, float("inf"), 10), "box outside the frame"),
    ],
)
def test_broken_boxes(box: tuple, reason: str, tmp_path: Path) -> None:
    result = _check(tmp_path, JPEG, box)
    assert isinstance(result, RejectedPhoto)
    assert result.reason == reason


@pytest.mark.parametrize("label", [-1, 2, 1000])
def test_unknown_classes(label: int, tmp_path: Path) -> None:
    result = _check(tmp_path, JPEG, label=label)
    assert isinstance(result, RejectedPhoto)
    assert result.reason == "unknown class"


@pytest.mark.parametrize("limit", ["MAX_PHOTO_BYTES", "MAX_PHOTO_PIXELS"])
def test_too_large(limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, limit, 100)
    result = _check(tmp_path, JPEG)
    assert isinstance(result, RejectedPhoto)
    assert result.reason == "too large"


@pytest.mark.parametrize("pixels", [6_000, 12_000])
def test_a_picture_that_would_unpack_to_gigabytes(pixels: int, tmp_path: Path) -> None:
    bomb = _bytes(Image.new("1", (pixels * 2, pixels)), "PNG")
    result = _check(tmp_path, bomb)
    assert isinstance(result, RejectedPhoto)
    assert result.reason == "too large"


@pytest.mark.parametrize("settings", [{}, {"progressive": True}, {"subsampling": 0}])
def test_rgb_jpegs_pass_byte_for_byte(settings: dict, tmp_path: Path) -> None:
    content = _bytes(PHOTO, **settings)
    result = _check(tmp_path, content + b"camera's trailer")
    assert isinstance(result, CheckedPhoto)
    assert result.path.read_bytes() == content + b"camera's trailer"
    assert (result.width, result.height, result.box) == (WIDTH, HEIGHT, BOX)


@pytest.mark.parametrize(
    "content",
    [
        _bytes(PHOTO, "PNG"),
        _bytes(PHOTO.convert("RGBA"), "PNG"),
        _bytes(PHOTO.convert("P"), "PNG"),
        _bytes(PHOTO.convert("L"), "PNG"),
        _bytes(PHOTO.convert("L")),
        _bytes(PHOTO.convert("CMYK")),
    ],
)
def test_other_photos_become_rgb_jpegs(content: bytes, tmp_path: Path) -> None:
    result = _check(tmp_path, content)
    assert isinstance(result, CheckedPhoto)
    stored = Image.open(result.path)
    assert (stored.format, stored.mode, stored.size) == ("JPEG", "RGB", (WIDTH, HEIGHT))
    expected = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"), float)
    assert np.abs(np.asarray(stored, float) - expected).mean() < 20
    assert (tmp_path / "photo").read_bytes() == content


@given(*[st.integers(-60, 100)] * 4)
def test_a_box_is_clipped_or_refused(tmp_path_factory: pytest.TempPathFactory, x1: int, y1: int, x2: int, y2: int) -> None:
    result = _check(tmp_path_factory.mktemp("box"), JPEG, (x1, y1, x2, y2))
    inside = float(boxes.area(boxes.clip([x1, y1, x2, y2], WIDTH, HEIGHT)))
    if isinstance(result, CheckedPhoto):
        left, top, right, bottom = result.box
        assert 0 <= left < right <= WIDTH
        assert 0 <= top < bottom <= HEIGHT
        assert inside >= 0.5 * (x2 - x1) * (y2 - y1)
    else:
        assert x2 <= x1 or y2 <= y1 or inside < 0.5 * (x2 - x1) * (y2 - y1)


@given(st.binary(max_size=400), st.integers(2, len(JPEG)), st.sampled_from([JPEG, PROGRESSIVE]))
def test_no_bytes_crash_the_checks_and_what_passes_can_be_shown(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, at: int, whole: bytes
) -> None:
    for content in (junk, whole[:at] + junk, whole[:at] + junk + whole[at + len(junk) :]):
        result = _check(tmp_path_factory.mktemp("junk"), content)
        if isinstance(result, CheckedPhoto):
            Image.open(result.path).load()


def test_a_jpeg_whose_data_run_into_a_bogus_segment_does_not_end() -> None:
    assert reaches_its_end(JPEG)
    assert not reaches_its_end(JPEG[:-40] + b"\xff\xe3\xff\x00" + JPEG[-36:])


def test_a_file_that_may_not_be_read_is_the_users_error(tmp_path: Path) -> None:
    name = "x" * 300
    with pytest.raises(UserError, match="cannot be read"):
        check_photo(ListedPhoto(name, tmp_path / name, 0, BOX, "train"), 2, tmp_path)


def _checked(file: str, split: str | None, sha256: str) -> CheckedPhoto:
    return CheckedPhoto(ListedPhoto(file, Path(file), 0, BOX, split), Path(file), BOX, WIDTH, HEIGHT, sha256)


@pytest.mark.parametrize(
    ("photos", "kept", "reasons"),
    [
        ([("a", "train", "1"), ("b", "train", "1"), ("c", "train", "2")], ["a", "c"], {"b": "same bytes twice"}),
        ([("a", "train", "1"), ("b", "test", "1")], ["b"], {"a": "same bytes in train and test"}),
        (
            [("a", "test", "1"), ("b", "train", "1"), ("c", "test", "1")],
            ["a"],
            {"b": "same bytes in train and test", "c": "same bytes twice"},
        ),
        ([("a", "train", "1"), ("b", "validation", "1")], ["b"], {"a": "same bytes in train and validation"}),
        ([("a", "validation", "1"), ("b", "test", "1")], ["b"], {"a": "same bytes in validation and test"}),
        ([("a", None, "1"), ("b", None, "1")], ["a"], {"b": "same bytes twice"}),
    ],
)
def test_copies(photos: list[tuple], kept: list[str], reasons: dict[str, str]) -> None:
    stay, copies = without_copies([_checked(*photo) for photo in photos])
    assert [photo.listed.file for photo in stay] == kept
    assert {copy.listed.file: copy.reason for copy in copies} == reasons


def test_a_photo_listed_twice_stays_once() -> None:
    first, second, other = (ListedPhoto(file, Path(file), label, BOX, "train") for file, label in [("a", 0), ("a", 1), ("b", 0)])
    assert without_repeats([first, second, other]) == ([first, other], [RejectedPhoto(second, "listed twice")])
