"""Training in several processes: they come to what one comes to, end together when one dies, and share every batch."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components.common.errors import UserError
from components.common.records import open_records
from components.train.config import TrainConfig
from components.train.distribution import free_addresses, places
from components.train.preemption import EXIT_STATUS
from components.train.reader import Reader

PROGRAM = Path(__file__).parent / "one_of_several.py"
CONFIG = TrainConfig(image_px=32, batch=6, seed=3, augment="none")


def start(records: list[Path], output: Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), *map(str, records), str(output)],
        env={**os.environ, "PYTHONPATH": str(Path.cwd()), "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_two_processes_come_to_what_one_comes_to(toy_records: list[Path], tmp_path: Path) -> None:
    for running in [start(toy_records, tmp_path / "one"), start(toy_records, tmp_path / "two", PET_NPROC_PER_NODE="2")]:
        _, errors = running.communicate(timeout=500)
        assert running.returncode == 0, errors
    one = np.load(tmp_path / "one0.npz")
    for rank in range(2):
        two = np.load(tmp_path / f"two{rank}.npz")
        assert one.files == two.files
        for name in one.files:
            # measured: metrics 2e-7, weights 3e-6; with each process's own gradients, BatchNorm or metrics some are .1 apart
            np.testing.assert_allclose(two[name], one[name], rtol=0, atol=1e-5, err_msg=name)


@pytest.mark.slow
def test_when_a_process_is_killed_the_other_ends_to_be_retried(toy_records: list[Path], tmp_path: Path) -> None:
    addresses = free_addresses(2)
    workers = [
        start(
            toy_records,
            tmp_path / "killed",
            TF_CONFIG=json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}),
        )
        for index in range(2)
    ]
    assert workers[1].stdout
    assert workers[1].stdout.readline() == "epoch\n"
    workers[1].kill()
    workers[1].communicate()
    _, errors = workers[0].communicate(timeout=300)
    assert workers[0].returncode == EXIT_STATUS
    assert "worker 0 of 2: another one has gone" in errors


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, (1, 0, 1)),
        ({"TF_CONFIG": '{"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}}'}, (["a:1", "b:2"], 1, 1)),
        (
            {"TF_CONFIG": '{"cluster": {"chief": ["a:1"], "worker": ["b:2"]}, "task": {"type": "worker", "index": 0}}'},
            (["a:1", "b:2"], 1, 1),
        ),
        ({"TF_CONFIG": '{"cluster": {"chief": ["a:1"]}, "task": {"type": "chief", "index": 0}}'}, (1, 0, 1)),
        ({"PET_NNODES": "1", "PET_NODE_RANK": "0", "PET_NPROC_PER_NODE": "3", "PET_MASTER_ADDR": "cars-node-0-0.cars"}, (3, 0, 3)),
        (
            {
                "PET_NNODES": "2",
                "PET_NODE_RANK": "1",
                "PET_NPROC_PER_NODE": "auto",
                "PET_MASTER_ADDR": "cars-node-0-0.cars",
                "PET_MASTER_PORT": "29500",
            },
            (["cars-node-0-0.cars:29500", "cars-node-0-1.cars:29500"], 1, 1),
        ),
        (
            {"PET_NNODES": "2", "PET_NODE_RANK": "1", "PET_NPROC_PER_NODE": "2", "PET_MASTER_ADDR": "cars-node-0-0.cars"},
            ([f"cars-node-0-{node}.cars:{port}" for node in (0, 1) for port in (29500, 29501)], 2, 2),
        ),
    ],
)
def test_which_processes_there_are(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: tuple[list[str] | int, int, int]
) -> None:
    for name in ("TF_CONFIG", "PET_NNODES", "PET_NODE_RANK", "PET_NPROC_PER_NODE", "PET_MASTER_ADDR", "PET_MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    addresses, rank, local = places()
    assert (addresses if isinstance(expected[0], list) else len(addresses), rank, local) == expected


@pytest.mark.parametrize(
    "environment",
    [
        {"TF_CONFIG": "{"},
        {"TF_CONFIG": '{"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "evaluator", "index": 0}}'},
        {"PET_NNODES": "1:4", "PET_NODE_RANK": "0", "PET_MASTER_ADDR": "cars-node-0-0.cars"},
        {"PET_NNODES": "2", "PET_NODE_RANK": "0", "PET_MASTER_ADDR": "10.0.0.1"},
    ],
)
def test_an_environment_that_names_no_group_is_refused(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match="expected"):
        places()


@pytest.mark.parametrize("first_step", [0, 65])
def test_the_parts_of_a_batch_make_up_the_batch(toy_records: list[Path], first_step: int) -> None:
    def read(part: tuple[int, int]) -> list[np.ndarray]:
        with Reader(open_records(toy_records), CONFIG, part) as reader:
            batches = list(reader.training(first_step).take(3))
        return [
            np.stack(column) for column in zip(*((photos, truth["logits"], truth["box"]) for photos, truth in batches), strict=True)
        ]

    for whole, *parts in zip(read((0, 1)), *(read((i, 3)) for i in range(3)), strict=True):
        np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


def test_the_parts_of_a_split_make_up_the_split(toy_records: list[Path]) -> None:
    def read(part: tuple[int, int], *, whole: bool = False) -> list[bytes]:
        with Reader(open_records(toy_records), CONFIG, part) as reader:
            return [photo.numpy().tobytes() for photos, _ in reader.validation("test", whole=whole) for photo in photos]

    everything = read((0, 1))
    assert [photo for i in range(3) for photo in read((i, 3))] == everything
    assert read((1, 3), whole=True) == everything


@pytest.mark.parametrize("augment", ["imgaug", "graph"])
def test_each_part_is_augmented_in_its_own_way(toy_records: list[Path], monkeypatch: pytest.MonkeyPatch, augment: str) -> None:
    # the same two photos to everyone
    monkeypatch.setattr(
        Reader, "draws", lambda self, first_step: tf.data.Dataset.from_tensors(tf.constant([[0, 0], [1, 0]], tf.int64)).repeat()
    )
    config = dataclasses.replace(CONFIG, batch=4, augment=augment)

    def read(part: tuple[int, int]) -> np.ndarray:
        with Reader(open_records(toy_records), config, part) as reader:
            return np.stack([photos.numpy() for photos, _ in reader.training().take(2)])

    first, second = read((0, 2)), read((1, 2))
    np.testing.assert_array_equal(second, read((1, 2)))
    assert len({step.tobytes() for step in [*first, *second]}) == 4


def test_a_batch_that_cannot_be_shared_evenly_is_refused(toy_records: list[Path]) -> None:
    with pytest.raises(UserError, match="batch: expected a multiple of the 4 processes that train, received 6"):
        Reader(open_records(toy_records), CONFIG, (0, 4))
    with pytest.raises(UserError, match="and of 2 photos of a class in each, received 6"):
        Reader(open_records(toy_records), dataclasses.replace(CONFIG, photos_per_class=2), (0, 2))


def test_a_split_with_too_few_photos_to_share_is_refused(toy_records: list[Path]) -> None:
    records = open_records(toy_records)
    count = sum(records.counts["validation"])
    config = dataclasses.replace(CONFIG, batch=count + 1)
    with (
        Reader(records, config, (0, count + 1)) as reader,
        pytest.raises(UserError, match=f"validation split: expected a photo for each of the {count + 1} processes"),
    ):
        reader.validation("validation")
