"""Opening a dataset, and what is said when there is none."""

import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.common.dataset import COLUMN_TYPES, SCHEMA, Dataset, open_dataset, read_info
from components.common.errors import UserError


def _dataset(folder: Path, photos: list[tuple[str, str, bytes]]) -> Dataset:
    """A dataset of (split, archive, bytes)."""
    archives: dict[str, bytes] = {}
    rows = []
    for i, (split, tar, content) in enumerate(photos):
        offset = len(archives.setdefault(tar, b"header"))
        archives[tar] += content
        rows.append((f"{i}.jpg", 0, 0, 0, 1, 1, 1, 1, split, tar, offset, len(content), ""))
    for name, content in archives.items():
        (folder / name).write_bytes(content)
    pd.DataFrame(rows, columns=list(COLUMN_TYPES)).astype(COLUMN_TYPES).to_parquet(folder / "annotations.parquet")
    (folder / "classes.json").write_text('["Toyo Alba Sedan 2004"]')
    (folder / "dataset.json").write_text(json.dumps({"schema": SCHEMA, "seed": 3}))
    return open_dataset(folder)


PHOTO = st.tuples(st.sampled_from(["train", "validation", "test"]), st.sampled_from(["a.tar", "b.tar"]), st.binary(max_size=20))


@given(st.lists(PHOTO, min_size=1, max_size=12))
def test_photos_come_in_the_order_asked_for(tmp_path_factory: pytest.TempPathFactory, photos: list[tuple[str, str, bytes]]) -> None:
    dataset = _dataset(tmp_path_factory.mktemp("dataset"), photos)
    for split in ("train", "validation", "test"):
        assert list(dataset.photos(dataset.split(split))) == [content for of, _, content in photos if of == split]
    backwards = dataset.annotations.iloc[::-1]
    assert list(dataset.photos(backwards)) == [content for _, _, content in reversed(photos)]


def test_info_and_classes(tmp_path: Path) -> None:
    dataset = _dataset(tmp_path, [("train", "a.tar", b"x")])
    assert dataset.info["seed"] == 3
    assert dataset.classes == ["Toyo Alba Sedan 2004"]
    assert (
        dict(dataset.annotations.dtypes.astype(str)) | {"file": "str", "split": "str", "tar": "str", "sha256": "str"}
        == COLUMN_TYPES
    )


def test_an_archive_that_ends_early(tmp_path: Path) -> None:
    dataset = _dataset(tmp_path, [("train", "a.tar", b"content")])
    (tmp_path / "a.tar").write_bytes(b"headercon")
    with pytest.raises(UserError, match="expected 7 bytes at 6, found 3"):
        list(dataset.photos(dataset.annotations))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "expected a thing, found no info.json"),
        ("{", "expected JSON"),
        ('{"schema": "marque.other/1"}', "expected schema 'marque.thing/1', received 'marque.other/1'"),
        ("{}", "received None"),
        ("[]", "received 'list'"),
    ],
)
def test_what_is_no_such_directory(content: str | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "info.json").write_text(content)
    with pytest.raises(UserError, match=message):
        read_info(tmp_path / "info.json", "marque.thing/1", "a thing")


def test_a_folder_without_a_dataset(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected a dataset written by ingest"):
        open_dataset(tmp_path)
