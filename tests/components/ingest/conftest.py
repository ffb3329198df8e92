"""Small sources for the tests of ingest."""

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.ingest.toy.write import ToyQuery, write_toy

Catalogue = Callable[..., Path]


def noise(seed: int, size: tuple[int, int] = (40, 30)) -> Image.Image:
    """A photo of nothing; another seed, another photo."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8))


def jpeg(photo: Image.Image, **settings: object) -> bytes:
    stored = io.BytesIO()
    photo.save(stored, "JPEG", **settings)
    return stored.getvalue()


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three toy classes of ten photos in the official layout; not to be changed."""
    return write_toy(tmp_path_factory.mktemp("toy") / "cars", ToyQuery(classes=3, per_class=10, seed=5))


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    """Writes a user's folder: `rows` of annotations.csv and `files` by name; without `files`, a JPEG for every row."""

    def write(rows: Sequence[Sequence[object]], files: dict[str, bytes] | None = None, split: bool = True) -> Path:
        folder = tmp_path / "catalogue"
        folder.mkdir()
        if files is None:
            files = {str(row[0]): jpeg(noise(i)) for i, row in enumerate(rows)}
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        with (folder / "annotations.csv").open("w", newline="") as handle:
            lines = csv.writer(handle)
            lines.writerow(["file", "label", "x1", "y1", "x2", "y2", *(["split"] if split else [])])
            lines.writerows(rows)
        return folder

    return write
