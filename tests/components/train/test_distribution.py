"""Training in several processes: they come to what one comes to, end together when one dies, and share every batch."""

import csv
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.common.errors import UserError
from components.common.records import open_records
from components.train.config import TrainConfig
from components.train.places import free_addresses, places
from components.train.preemption import EXIT_STATUS
from components.train.reader import Reader

CONFIG = TrainConfig(image_px=32, batch=6, seed=3, augment="none")
SETTINGS = "backbone=hidden weights=none batchnorm=trained image_px=32 batch=8 dropout=0 augment=none accumulate=2 ema=0.9 epochs=3"
DEADLINE_S = 300.0


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(toy_records: list[Path]) -> Iterator[Start]:
    """Starts a run on the toy records."""
    started = []

    def start(output: Path, *settings: str, **environment: str) -> subprocess.Popen[str]:
        options = [f"--records={folder}" for folder in toy_records] + [f"--set={each}" for each in [*SETTINGS.split(), *settings]]
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "components.train",
                "run",
                *options,
                f"--output={output}",
                f"--checkpoints={output}-checkpoints",
            ],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_two_processes_come_to_what_one_comes_to(start: Start, tmp_path: Path) -> None:
    for running in [start(tmp_path / "one"), start(tmp_path / "two", PET_NPROC_PER_NODE="2")]:
        _, errors = running.communicate(timeout=DEADLINE_S)
        assert running.returncode == 0, errors
    curves, weights = [], []
    for name in ("one", "two"):
        with (tmp_path / name / "history.csv").open() as handle:
            timed = ("seconds", "images_per_s")
            curves.append([[float(row[column]) for column in row if column not in timed] for row in csv.DictReader(handle)])
        weights.append(keras.models.load_model(tmp_path / name / "model.keras", compile=False).get_weights())
    # measured: 2e-7 and 3e-6; with each process's own gradients, BatchNorm or metrics some are .1 apart
    np.testing.assert_allclose(curves[1], curves[0], rtol=0, atol=1e-5)
    for two, one in zip(weights[1], weights[0], strict=True):
        np.testing.assert_allclose(two, one, rtol=0, atol=1e-5)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL])
def test_when_a_process_is_taken_away_all_end_to_be_retried(start: Start, tmp_path: Path, sent: signal.Signals) -> None:
    addresses = free_addresses(2)
    output = tmp_path / "model"
    workers = [
        start(
            output,
            "epochs=100000",
            TF_CONFIG=json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}),
        )
        for index in range(2)
    ]
    deadline = time.monotonic() + DEADLINE_S
    while not list(tmp_path.glob("model-checkpoints/*/checkpoint.npz")):
        assert time.monotonic() < deadline
        assert all(worker.poll() is None for worker in workers)
        time.sleep(0.1)
    workers[1].send_signal(sent)
    errors = [worker.communicate(timeout=DEADLINE_S)[1] for worker in workers]
    assert workers[0].returncode == EXIT_STATUS, errors[0]
    assert ("SIGTERM: stopped after step" if sent == signal.SIGTERM else "worker 0 of 2: another one has gone") in errors[0]
    assert workers[1].returncode == (EXIT_STATUS if sent == signal.SIGTERM else -sent)
    assert not output.exists()


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
        {"TF_CONFIG": '{"cluster": {"worker": ["a", "b"]}, "task": {"type": "worker", "index": 0}}'},
        {"TF_CONFIG": '{"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 2}}'},
        {"PET_NNODES": "0", "PET_NODE_RANK": "0", "PET_MASTER_ADDR": "cars-node-0-0.cars"},
        {"PET_NNODES": "2", "PET_NODE_RANK": "2", "PET_MASTER_ADDR": "cars-node-0-0.cars"},
        {"PET_NPROC_PER_NODE": "-1"},
        {"PET_NPROC_PER_NODE": "0"},
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
@pytest.mark.slow
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
@pytest.mark.slow
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
