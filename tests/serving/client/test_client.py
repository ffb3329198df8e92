"""The client against the embedded server."""

import contextlib
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image
from tensorflow_serving.apis import predict_pb2

from components.common.errors import UserError
from serving.client import base, wire
from serving.client.client import Client, VersionStatus
from serving.client.messages import tf_serving_pb2 as messages
from serving.client.photo import MAX_SIDE_PX, prepare
from serving.server import server as embedded

MakePhoto = Callable[..., bytes]


@pytest.fixture
def client(address: str) -> Client:
    return Client(address)


def test_labels_scores_and_the_box_in_pixels_of_the_photo(client: Client, photo: MakePhoto) -> None:
    prediction = client.predict([photo("lime", (80, 40))])[0]
    assert prediction.labels == ["green car", *sorted(prediction.labels[1:], key=["red car", "blue car"].index)]
    assert prediction.scores == sorted(prediction.scores, reverse=True)
    assert sum(prediction.scores) == pytest.approx(1, abs=1e-5)
    assert prediction.box == pytest.approx((20, 10, 60, 30))


@pytest.mark.parametrize(
    ("file_format", "mode"), [("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "RGB"), ("PNG", "P"), ("PNG", "RGBA"), ("WEBP", "RGB")]
)
def test_every_kind_of_photo_is_understood(client: Client, photo: MakePhoto, file_format: str, mode: str) -> None:
    prediction = client.predict([photo("blue", (60, 20), file_format, mode)])[0]
    assert prediction.box == pytest.approx((15, 5, 45, 15))
    if mode != "L":
        assert prediction.labels[0] == "blue car"


def test_a_sideways_phone_photo_is_seen_upright(client: Client, photo: MakePhoto) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    assert client.predict([photo("red", (40, 20), exif=exif)])[0].box == pytest.approx((5, 10, 15, 30))


def test_a_huge_photo_is_shrunk_and_its_box_is_not(client: Client, photo: MakePhoto) -> None:
    huge = photo("red", (3 * MAX_SIDE_PX, 100))
    sent = prepare(huge, "huge")
    assert Image.open(io.BytesIO(sent.jpeg)).size == (MAX_SIDE_PX, 33)
    assert client.predict([huge])[0].box == pytest.approx((0.75 * MAX_SIDE_PX, 25, 2.25 * MAX_SIDE_PX, 75), abs=1)


def test_an_ordinary_jpeg_is_sent_byte_for_byte(photo: MakePhoto) -> None:
    data = photo("red", (640, 480))
    assert prepare(data, "it").jpeg == data


def test_many_photos_keep_their_order_across_requests(client: Client, photo: MakePhoto, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = [photo(("red", "lime", "blue")[number % 3], (10 + number, 20)) for number in range(25)]
    monkeypatch.setattr(wire, "REQUEST_BYTES", 3 * len(photos[0]))
    predictions = client.predict(photos)
    assert [p.labels[0] for p in predictions] == [("red car", "green car", "blue car")[number % 3] for number in range(25)]
    assert np.allclose([p.box[2] for p in predictions], [0.75 * (10 + number) for number in range(25)])


def test_no_photos_no_predictions(client: Client) -> None:
    assert client.predict([]) == []


def test_eight_threads_at_once(client: Client, photo: MakePhoto) -> None:
    colours = ["red", "lime", "blue"] * 16
    expected = {"red": "red car", "lime": "green car", "blue": "blue car"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda colour: client.predict([photo(colour)])[0].labels[0], colours))
    assert answers == [expected[colour] for colour in colours]


def test_status_lists_the_served_version(client: Client) -> None:
    assert client.status() == [VersionStatus(2, "AVAILABLE", "")]


@pytest.mark.parametrize("data", [b"", b"no photo", b"\xff\xd8\xff\xe0 no photo", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_is_refused_before_sending(data: bytes, photo: MakePhoto) -> None:
    with pytest.raises(UserError, match="photo 2: expected a photo"):
        Client("localhost:1").predict([photo("red"), data])


def test_a_cut_off_photo_is_refused(client: Client, photo: MakePhoto) -> None:
    with pytest.raises(UserError, match=r"car\.jpg: expected a photo"):
        client.predict([photo("red", (200, 200))[:-200]], ["car.jpg"])


@settings(max_examples=60, deadline=None)
@given(
    position=st.integers(0, 10_000), value=st.integers(0, 255), file_format=st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "TIFF"])
)
def test_damaged_photos_decode_or_are_refused(position: int, value: int, file_format: str) -> None:
    data = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").resize((32, 32)).save(data, file_format)
    damaged = bytearray(data.getvalue())
    damaged[position % len(damaged)] = value
    with contextlib.suppress(UserError):
        assert prepare(bytes(damaged), "it").jpeg


@pytest.mark.parametrize(
    "server", ["localhost", "localhost:", "http://localhost:8500", "local host:8500", "", "localhost:0", "localhost:99999"]
)
def test_an_address_must_be_host_and_port(server: str) -> None:
    with pytest.raises(UserError, match="expected a server as host:port"):
        Client(server)


def test_a_server_that_is_not_there(photo: MakePhoto) -> None:
    with pytest.raises(UserError, match=r"localhost:1: no server answers there; start one with"):
        Client("localhost:1").predict([photo("red")])


def test_a_deadline_that_passes(address: str, photo: MakePhoto) -> None:
    with pytest.raises(UserError, match=r"no answer within 1e-06 s; raise --deadline"):
        Client(address, deadline_s=1e-6).predict([photo("red")])


def test_a_model_that_is_not_served(address: str, photo: MakePhoto) -> None:
    with pytest.raises(UserError, match=r"expected a model named 'other', .*Servable not found for request: Latest\(other\)"):
        Client(address, "other").predict([photo("red")])


@pytest.mark.slow
def test_a_photo_above_the_servers_limit(repository: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (200, 200, 3), np.uint8)
    data = io.BytesIO()
    Image.fromarray(noise).save(data, "JPEG")
    small = embedded.start(repository, "marque", host="localhost", port=0, max_message_bytes=10_000)
    try:
        with pytest.raises(UserError, match="the request is too large for the server"):
            Client(f"localhost:{small.port}").predict([data.getvalue()])
    finally:
        small.stop(0)


@pytest.mark.parametrize("output", ["scores", "boxes"])
def test_numbers_that_are_text_are_one_line(output: str) -> None:
    outputs = {"labels": np.array([[b"car"]], object), "scores": np.ones((1, 1), np.float32), "boxes": np.ones((1, 4), np.float32)}
    outputs[output] = np.full(outputs[output].shape, b"1", object)
    reference = predict_pb2.PredictResponse(outputs={name: tf.make_tensor_proto(array) for name, array in outputs.items()})
    response = messages.PredictResponse.FromString(reference.SerializeToString())
    with pytest.raises(UserError, match=f"model 'marque': expected outputs labels, scores, boxes .*'{output}': 'object'"):
        wire.Model("marque").read_predictions(response, [wire.Photo(b"", (1.0, 1.0))])


def test_what_pillow_reads_and_the_server_does_not_is_one_line_too(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "prepare", lambda data, _name, _side: wire.Photo(data, (1.0, 1.0)))
    with pytest.raises(UserError, match="the server refused the photos: Unknown image file format"):
        Client(address).predict([b"no photo"])
