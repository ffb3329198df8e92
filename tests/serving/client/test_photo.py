"""Photos of every kind as they are sent: paths, bytes, pixels, Pillow's images, addresses; never too long or too heavy."""

import io
import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.common.buckets import upload
from components.common.errors import UserError
from serving.client.client import Client
from serving.client.photo import MAX_BYTES, MAX_SIDE_PX, PhotoLike, prepare

MakePhoto = Callable[..., bytes]


def test_photos_of_every_kind(address: str, tmp_path: Path, photo: MakePhoto) -> None:
    data = photo("blue", (60, 40), "PNG")
    (tmp_path / "car.png").write_bytes(data)
    image = Image.open(io.BytesIO(data))
    kinds: list[PhotoLike] = [data, tmp_path / "car.png", str(tmp_path / "car.png"), image, np.asarray(image)]
    kinds += [image.convert("RGBA"), np.full((40, 60), 9, np.uint8)]
    with Client(address) as client:
        predictions = client.predict(kinds)
    assert [prediction.labels[0] for prediction in predictions[:-1]] == ["blue car"] * 6
    assert all(prediction.box == pytest.approx((15, 10, 45, 30)) for prediction in predictions)


@pytest.mark.parametrize(
    "pixels", [np.zeros((4, 4, 3), np.float32), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8), np.zeros(4, np.uint8)]
)
def test_pixels_of_another_kind_are_refused(pixels: np.ndarray) -> None:
    with pytest.raises(UserError, match=r"it: expected a photo .* pixels are uint8 \(height, width, 3\) or \(height, width\), rec"):
        prepare(pixels, "it")


def test_a_given_image_stays_as_it_is() -> None:
    image = Image.new("RGB", (3 * MAX_SIDE_PX, 10))
    prepare(image, "it")
    assert image.size == (3 * MAX_SIDE_PX, 10)


def test_a_heavy_photo_is_made_lighter_and_its_box_scaled_back() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (MAX_SIDE_PX, MAX_SIDE_PX, 3), np.uint8)
    heavy = io.BytesIO()
    Image.fromarray(noise).save(heavy, "JPEG", quality=98)
    assert len(heavy.getvalue()) > MAX_BYTES
    sent = prepare(heavy.getvalue(), "it")
    assert len(sent.jpeg) <= MAX_BYTES
    side = Image.open(io.BytesIO(sent.jpeg)).width
    assert side < MAX_SIDE_PX
    assert sent.upright_box(np.array([0, 0, side, side], np.float32)) == pytest.approx((0, 0, MAX_SIDE_PX, MAX_SIDE_PX))


@pytest.mark.parametrize(
    ("value_type", "value", "size"),
    [(3, b"\6\0\0\0", (20, 40)), (3, b"\x09\0\0\0", (40, 20)), (2, b"6\0\0\0", (40, 20)), (7, b"\6\0\0\0", (40, 20))],
)
def test_whatever_stands_for_the_orientation(photo: MakePhoto, value_type: int, value: bytes, size: tuple[int, int]) -> None:
    """A number that turns, one that means nothing, a text, and bytes."""
    entry = struct.pack("<HHHI4s", 1, 0x112, value_type, 1 if value_type == 3 else 2, value)
    sent = prepare(photo("red", (40, 20), exif=b"Exif\0\0II*\0\x08\0\0\0" + entry + bytes(4)), "it")
    assert Image.open(io.BytesIO(sent.jpeg)).size == size
    assert sent.box_scale == (1, 1)


def test_metadata_that_could_not_be_written_anew_stop_no_turn(photo: MakePhoto) -> None:
    entries = struct.pack("<HHHII", 2, 0x112, 3, 1, 6) + struct.pack("<HHII", 0x132, 5, 1, 8)
    sent = prepare(photo("red", (40, 20), exif=b"Exif\0\0II*\0\x08\0\0\0" + entries + bytes(4)), "it")
    assert Image.open(io.BytesIO(sent.jpeg)).size == (20, 40)


def test_a_program_is_no_photo() -> None:
    """PostScript, which Pillow would have Ghostscript run."""
    program = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\n0 0 moveto 20 20 lineto stroke\nshowpage\n%%EOF\n"
    with pytest.raises(UserError, match="it: expected a photo .* its format is unknown"):
        prepare(program, "it")


def test_the_longest_side_is_the_callers_choice(address: str, photo: MakePhoto) -> None:
    data = photo("red", (640, 480))
    assert Image.open(io.BytesIO(prepare(data, "it", 64).jpeg)).size == (64, 48)
    with Client(address, max_side_px=64) as client:
        assert client.predict([data])[0].box == pytest.approx((160, 120, 480, 360))


def test_photos_from_the_web(address: str, web: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"{web}/car.jpg?signature=secret"
    with Client(address) as client:
        assert client.predict([url])[0].box == pytest.approx((15, 10, 45, 30))
        with pytest.raises(UserError, match="other.jpg: expected status 200, received 404"):
            client.predict([f"{web}/other.jpg"])
    monkeypatch.setattr("serving.client.photo.FILE_BYTES", 100)
    with Client(address) as client, pytest.raises(UserError, match="car.jpg: expected at most 100 bytes") as caught:
        client.predict([url])
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "shown", "reason"),
    [
        (
            "http://me:secret@[bad/x.jpg?secret",
            "http://[bad/x.jpg",
            "expected an address, received something else: Invalid IPv6 URL",
        ),
        ("ftp://me:secret@host/x.jpg", "ftp://host/x.jpg", "begins with gs://, http:// or https://"),
        ("file:///x.jpg", "file:///x.jpg", "begins with gs://, http:// or https://"),
        ("http://", "http://", "with a host and the name of a file"),
        ("http:///x.jpg", "http:///x.jpg", "with a host and the name of a file"),
        ("http://host/", "http://host/", "with a host and the name of a file"),
        ("http://host/%2e%2e?secret", "http://host/%2e%2e", "with a host and the name of a file"),
        ("gs://[bad/x.jpg", "gs://[bad/x.jpg", "expected an address, received something else: Invalid IPv6 URL"),
    ],
)
def test_an_address_that_is_none(address: str, shown: str, reason: str) -> None:
    with Client("localhost:1") as client, pytest.raises(UserError) as caught:
        client.predict([address])
    assert str(caught.value).startswith(f"{shown}: expected")
    assert str(caught.value).endswith(reason)


def test_only_regular_files_of_some_size_are_read(tmp_path: Path, photo: MakePhoto, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "fifo.jpg")
    for path in (tmp_path / "fifo.jpg", Path("/dev/zero"), tmp_path):
        with pytest.raises(UserError, match=f"{path}: expected a photo, received something that is no regular file"):
            prepare(path, str(path))
    (tmp_path / "car.jpg").write_bytes(photo("red"))
    monkeypatch.setattr("serving.client.photo.FILE_BYTES", 100)
    with pytest.raises(UserError, match=r"it: expected a photo of at most 100 bytes, received \d+"):
        prepare(tmp_path / "car.jpg", "it")


def test_photos_from_a_bucket(address: str, gcs: str, tmp_path: Path, photo: MakePhoto) -> None:
    (tmp_path / "car.jpg").write_bytes(photo("red"))
    upload(tmp_path / "car.jpg", f"gs://{gcs}/photos/car.jpg")
    with Client(address) as client:
        assert client.predict([f"gs://{gcs}/photos/car.jpg"])[0].labels[0] == "red car"
        with pytest.raises(UserError, match="none.jpg: no such object"):
            client.predict([f"gs://{gcs}/photos/none.jpg"])
