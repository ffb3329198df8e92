"""The shard step: balanced shards, the same bytes whatever the number of tasks, one Example a photo."""

import json
from pathlib import Path

import numpy as np
import pytest

from components.common import boxes
from components.common.dataset import BOX_COLUMNS, SPLITS, open_dataset
from components.common.errors import UserError
from components.common.index import index_path
from components.common.records import open_records
from components.shard.step import run

SHARD_BYTES = 30_000


def shard_into(dataset: Path, folder: Path, tasks: int) -> list[Path]:
    folders = [folder / f"{tasks}-{task}" for task in range(tasks)]
    for task, output in enumerate(folders):
        run(dataset, output, task=task, tasks=tasks, shard_bytes=SHARD_BYTES)
    return folders


def contents(folders: list[Path]) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for folder in folders for path in folder.iterdir() if path.name != "records.json"}


def test_the_bytes_do_not_depend_on_the_number_of_tasks(toy_dataset: Path, tmp_path: Path) -> None:
    one, three = (contents(shard_into(toy_dataset, tmp_path, tasks)) for tasks in (1, 3))
    assert len(one) > 2 * len(SPLITS)
    assert one == three


def test_shards_of_a_split_are_alike(toy_dataset: Path, tmp_path: Path) -> None:
    records = open_records(shard_into(toy_dataset, tmp_path, 1))
    shards = records.shards["train"]
    assert len(shards) > 1
    table = np.array([np.bincount(np.load(index_path(shard))["label"], minlength=len(records.classes)) for shard in shards])
    assert np.ptp(table, axis=0).max() <= 1
    assert np.ptp(table.sum(axis=1)) <= 1
    assert table.sum(axis=0).tolist() == records.counts["train"]


def test_every_photo_is_there_once_with_its_bytes_its_class_and_its_box(toy_dataset: Path, toy_records: list[Path]) -> None:
    dataset, records = open_dataset(toy_dataset), open_records(toy_records)
    for split in SPLITS:
        rows = dataset.split(split).set_index("file")
        seen = {}
        for example in records.examples(split):
            seen[example["file"].decode()] = example
        assert set(seen) == set(rows.index)
        for jpeg, (file, row) in zip(dataset.photos(dataset.split(split)), rows.iterrows(), strict=True):
            example = seen[str(file)]
            assert example["jpeg"] == jpeg
            assert example["label"] == row["label"]
            assert example["size"].tolist() == [row["width"], row["height"]]
            pixels = boxes.to_pixels(example["box"], row["width"], row["height"])
            np.testing.assert_allclose(pixels, row[BOX_COLUMNS].to_numpy(np.float32), atol=1e-3)


def test_mean_train_box_is_the_mean_of_the_relative_boxes(toy_dataset: Path, toy_records: list[Path]) -> None:
    train = open_dataset(toy_dataset).split("train")
    relative = train[BOX_COLUMNS].to_numpy() / train[["width", "height", "width", "height"]].to_numpy()
    np.testing.assert_allclose(open_records(toy_records).mean_train_box, relative.mean(axis=0), atol=1e-5)


def test_an_earlier_attempt_is_replaced(toy_dataset: Path, tmp_path: Path) -> None:
    run(toy_dataset, tmp_path / "fresh", shard_bytes=SHARD_BYTES)
    run(toy_dataset, tmp_path / "again", shard_bytes=SHARD_BYTES // 2)
    run(toy_dataset, tmp_path / "again", shard_bytes=SHARD_BYTES)
    assert contents([tmp_path / "again"]) == contents([tmp_path / "fresh"])


def test_there_are_never_more_shards_than_photos(toy_dataset: Path, tmp_path: Path) -> None:
    info = run(toy_dataset, tmp_path, shard_bytes=1)
    assert info["shard_counts"] == {split: sum(info["counts"][split]) for split in SPLITS}
    assert open_records([tmp_path]).index("train").counts.sum() == sum(info["counts"]["train"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": 2, "tasks": 2}, "task: expected 0 to 1 for 2 tasks, received 2"),
        ({"shard_bytes": 0}, "shard_bytes: expected a positive number, received 0"),
        ({"seed": -1}, "seed: expected 0 or more, received -1"),
    ],
)
def test_wrong_numbers_are_refused(toy_dataset: Path, tmp_path: Path, options: dict[str, int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        run(toy_dataset, tmp_path, **options)


def test_a_folder_without_a_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected a dataset written by ingest, found no dataset\.json"):
        run(tmp_path, tmp_path / "out")


def test_missing_shards_are_named(toy_records: list[Path]) -> None:
    with pytest.raises(UserError, match=r"-of-\d{5}\.tfrecord is missing"):
        open_records(toy_records[:1])


def test_records_of_two_datasets_are_not_mixed(toy_records: list[Path], tmp_path: Path) -> None:
    info = json.loads((toy_records[1] / "records.json").read_text())
    (tmp_path / "records.json").write_text(json.dumps({**info, "dataset": "another"}))
    with pytest.raises(UserError, match="expected records of dataset .*, received another"):
        open_records([toy_records[0], tmp_path])


def test_a_cut_off_shard_is_named_with_the_record(toy_dataset: Path, tmp_path: Path) -> None:
    run(toy_dataset, tmp_path, shard_bytes=10**9)
    shard = tmp_path / "train-00000-of-00001.tfrecord"
    records = open_records([tmp_path])
    last = sum(records.counts["train"]) - 1
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(UserError, match=rf"{shard.name}: record {last} is damaged or cut off"):
        list(records.examples("train"))
