"""Photos stored sideways stand upright in the dataset, the box around the same pixels."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from components.common.upright import orientation, upright
from components.ingest.checks import CheckedPhoto, check_photo
from components.ingest.listing import ListedPhoto

WIDTH, HEIGHT = 64, 48
BOX = (8.0, 16.0, 24.0, 40.0)
# A box at the left, lower edge; where it is once the photo is turned, and the photo's size then.
UPRIGHT = {
    1: (BOX, (64, 48)),
    2: ((40, 16, 56, 40), (64, 48)),
    3: ((40, 8, 56, 32), (64, 48)),
    4: ((8, 8, 24, 32), (64, 48)),
    5: ((16, 8, 40, 24), (48, 64)),
    6: ((8, 8, 32, 24), (48, 64)),
    7: ((8, 40, 32, 56), (48, 64)),
    8: ((16, 40, 40, 56), (48, 64)),
}


def stored(kind: str, **settings: object) -> bytes:
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    x1, y1, x2, y2 = map(int, BOX)
    pixels[y1:y2, x1:x2] = 255
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, kind, **settings)
    return content.getvalue()


def exif(value: int) -> Image.Exif:
    metadata = Image.Exif()
    metadata[ExifTags.Base.Orientation] = value
    return metadata


def checked(folder: Path, content: bytes) -> CheckedPhoto:
    (folder / "photo").write_bytes(content)
    (folder / "scratch").mkdir()
    result = check_photo(ListedPhoto("photo", folder / "photo", 0, BOX, "train"), 1, folder / "scratch")
    assert isinstance(result, CheckedPhoto)
    return result


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("value", UPRIGHT)
def test_photo_and_box_are_turned(value: int, kind: str, tmp_path: Path) -> None:
    content = stored(kind, exif=exif(value))
    result = checked(tmp_path, content)
    assert (result.box, (result.width, result.height)) == UPRIGHT[value]
    photo = Image.open(result.path)
    assert (photo.format, photo.size) == ("JPEG", (result.width, result.height))
    assert orientation(photo) == 1
    bright = np.asarray(photo.convert("L")) > 127
    ys, xs = np.nonzero(bright)
    assert (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) == result.box
    assert (result.path.read_bytes() == content) == (kind == "JPEG" and value == 1)


@pytest.mark.parametrize("value_type", range(1, 13))
@pytest.mark.parametrize("tag", [ExifTags.Base.DateTime, ExifTags.Base.XResolution, ExifTags.Base.ExifOffset])
def test_metadata_that_could_not_be_written_anew_stop_no_turn(tag: int, value_type: int, tmp_path: Path) -> None:
    entries = struct.pack("<HHHII", 2, 0x112, 3, 1, 6) + struct.pack("<HHII", tag, value_type, 1, 8)
    content = stored("JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0" + entries + bytes(4))
    result = checked(tmp_path, content)
    assert (result.box, (result.width, result.height)) == UPRIGHT[6]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_what_is_upright_is_not_turned_again(kind: str) -> None:
    once = upright(Image.open(io.BytesIO(stored(kind, exif=exif(6)))))
    assert (once.size, upright(once).size, upright(once.copy()).size) == ((HEIGHT, WIDTH),) * 3


@pytest.mark.parametrize(("value_type", "value"), [(3, b"\0\0\0\0"), (3, b"\x09\0\0\0"), (2, b"6\0\0\0"), (7, b"\6\0\0\0")])
def test_what_means_no_orientation_turns_nothing(value_type: int, value: bytes, tmp_path: Path) -> None:
    """Numbers that mean nothing, a text, and bytes."""
    entry = struct.pack("<HHHI4s", 1, 0x112, value_type, 1 if value_type == 3 else 2, value)
    content = stored("JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0" + entry + bytes(4))
    result = checked(tmp_path, content)
    assert result.box == BOX
    assert result.path.read_bytes() == content
