"""The toy model as a published version, and a folder of photos of every kind that users have."""

import io
import shutil
from pathlib import Path

import pytest
from PIL import ExifTags, Image

from components.common.dataset import open_dataset


@pytest.fixture(scope="session")
def version(toy_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`<repository>/marque/3` with the toy model."""
    from components.export.step import run

    folder = tmp_path_factory.mktemp("repository") / "marque" / "3"
    run(toy_model, folder)
    return folder


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


@pytest.fixture(scope="session")
def all_photos(toy_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten drawn cars, and: one sideways with EXIF, as PNG, as CMYK, broken in two ways, and files that are no photos."""
    folder = tmp_path_factory.mktemp("photos") / "photos"
    (folder / "sub folder").mkdir(parents=True)
    dataset = open_dataset(toy_dataset)
    jpegs = list(dataset.photos(dataset.annotations.head(10)))
    for number, jpeg in enumerate(jpegs):
        (folder / ("sub folder" if number % 2 else ".") / f"{number:02d}.jpg").write_bytes(jpeg)
    with Image.open(io.BytesIO(jpegs[0])) as car:
        car.load()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # to be turned by 90 degrees clockwise
    (folder / "sideways.jpg").write_bytes(encoded(car.transpose(Image.Transpose.ROTATE_90), exif=exif, quality=95))
    (folder / "graphic.PNG").write_bytes(encoded(car.convert("RGBA"), "PNG"))
    (folder / "print.jpeg").write_bytes(encoded(car.convert("CMYK"), quality=95))
    (folder / "broken.jpg").write_bytes(jpegs[1][: len(jpegs[1]) // 2])
    (folder / "words é.jpg").write_bytes(b"no photo at all")
    (folder / "notes.txt").write_text("not listed")
    (folder / ".hidden.jpg").write_bytes(jpegs[0])
    return folder


@pytest.fixture
def photos(all_photos: Path, tmp_path: Path) -> Path:
    """A copy of them, to be changed."""
    return shutil.copytree(all_photos, tmp_path / "photos")
