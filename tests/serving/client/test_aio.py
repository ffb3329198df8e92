"""The asyncio client against the embedded server."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from components.common.errors import UserError
from serving.client import base, wire
from serving.client.aio import AsyncClient, Outcome
from serving.client.client import Client, VersionStatus
from serving.client.photo import Photo, PhotoLike

MakePhoto = Callable[..., bytes]
COLOURS = ["red", "lime", "blue"]
CARS = ["red car", "green car", "blue car"]


async def all_of(outcomes: AsyncIterator[Outcome]) -> list[Outcome]:
    return [outcome async for outcome in outcomes]


def outcomes_of(address: str, photos: list[tuple[str, PhotoLike]], **settings: int) -> list[Outcome]:
    async def ask() -> list[Outcome]:
        async with AsyncClient(address, **settings) as client:
            return await all_of(client.each(photos))

    return asyncio.run(ask())


def test_it_answers_as_the_synchronous_client_does(address: str, photo: MakePhoto) -> None:
    photos = [photo(COLOURS[number % 3], (20 + number, 30)) for number in range(40)]

    async def ask() -> tuple[list[object], list[VersionStatus]]:
        async with AsyncClient(address) as client:
            return list(await client.predict(photos)), await client.status()

    predictions, status = asyncio.run(ask())
    with Client(address) as client:
        assert predictions == client.predict(photos)
        assert status == client.status()


def test_many_tasks_share_one_client(address: str, photo: MakePhoto) -> None:
    async def ask() -> list[str]:
        async with AsyncClient(address, concurrency=3) as client:
            answers = await asyncio.gather(*(client.predict([photo(COLOURS[number % 3])]) for number in range(30)))
            return [prediction.labels[0] for (prediction,) in answers]

    assert asyncio.run(ask()) == [CARS[number % 3] for number in range(30)]


def test_a_photo_that_does_not_decode_is_set_aside(address: str, tmp_path: Path, photo: MakePhoto) -> None:
    photos: list[tuple[str, PhotoLike]] = [(f"{number}", photo(COLOURS[number % 3])) for number in range(40)]
    photos[3] = ("three", b"no photo")
    photos[33] = ("gone", tmp_path / "gone.jpg")
    outcomes = outcomes_of(address, photos, concurrency=2)
    assert [outcome.name for outcome in outcomes] == [name for name, _ in photos]
    assert [number for number, outcome in enumerate(outcomes) if not outcome.prediction] == [3, 33]
    assert outcomes[3].error.startswith("three: expected a photo")
    assert outcomes[33].error == "gone: expected a photo, cannot read it: No such file or directory"
    assert [outcome.prediction.labels[0] for outcome in outcomes if outcome.prediction] == [
        CARS[number % 3] for number in range(40) if number not in (3, 33)
    ]


def test_a_photo_that_the_server_refuses_does_not_take_its_batch_with_it(
    address: str, photo: MakePhoto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "prepare", lambda data, _name, _side: Photo(data, (1.0, 1.0)))
    outcomes = outcomes_of(address, [("a", photo("red")), ("b", b"no photo"), ("c", photo("blue"))])
    assert [bool(outcome.prediction) for outcome in outcomes] == [True, False, True]
    assert "the server refused the photos" in outcomes[1].error
    with pytest.raises(UserError, match="the server refused the photos"):
        outcomes_of(address, [("a", b"no photo"), ("b", b"no photo")])


def test_photos_are_read_as_the_work_goes_on(address: str, photo: MakePhoto) -> None:
    """However many there are: never more than what is under way."""
    taken = 0

    def endless() -> Iterator[tuple[str, bytes]]:
        nonlocal taken
        while True:
            taken += 1
            yield str(taken), photo("red")

    async def ask() -> None:
        async with AsyncClient(address, concurrency=2) as client:
            outcomes = client.each(endless())
            for seen in range(1, 100):
                assert (await anext(outcomes)).name == str(seen)
                assert taken <= seen + 3 * wire.REQUEST_PHOTOS
            await outcomes.aclose()

    asyncio.run(ask())


def test_no_photos_no_outcomes(address: str) -> None:
    assert outcomes_of(address, []) == []


def test_no_server_is_one_line_and_nothing_is_left_running(photo: MakePhoto) -> None:
    async def ask() -> int:
        async with AsyncClient("localhost:1", retries=0) as client:
            with pytest.raises(UserError, match="localhost:1: no server answers there"):
                await client.predict([photo("red")] * 40)
            with pytest.raises(UserError, match="localhost:1: no server answers there"):
                await all_of(client.each([("a", photo("red"))] * 100))
        return len(asyncio.all_tasks())

    assert asyncio.run(ask()) == 1


def test_a_version_or_a_label_is_asked_for(address: str, photo: MakePhoto) -> None:
    red = [photo("red")]
    with Client(address, version=2) as client:
        assert client.predict(red)[0].version == 2
    with Client(address, version=9) as client, pytest.raises(UserError, match="expected version 9 of a model named 'marque'"):
        client.predict(red)
    with Client(address, label="nightly") as client, pytest.raises(UserError, match="expected a label of model 'marque', received"):
        client.predict(red)
    with pytest.raises(UserError, match="expected a version or a label, received both"):
        Client(address, version=2, label="stable")
    assert "version=9" in repr(Client(address, version=9))


def test_the_bytes_behind_an_address_come_along(address: str, web: str, photo: MakePhoto) -> None:
    outcomes = outcomes_of(address, [("a", f"{web}/car.jpg"), ("b", f"{web}/other.jpg?signature=secret")])
    assert outcomes[0].photo == photo("blue", (60, 40))
    assert outcomes[1].error == f"{web}/other.jpg: expected status 200, received 404 Not Found"
