"""The reader: balanced batches that are the same from any step, validation once each, the photos that serving sees, and damage."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components.common.errors import UserError
from components.common.index import index_path
from components.common.records import Records, open_records
from components.export.signature import Servable
from components.train.config import TrainConfig
from components.train.reader import Reader

CONFIG = TrainConfig(image_px=32, batch=6, seed=3, augment="none")
SKIPPING = dataclasses.replace(CONFIG, damaged="skip")


@pytest.fixture
def records(toy_records: list[Path], tmp_path: Path) -> Records:
    """The toy set in folders that may be damaged."""
    return open_records([Path(shutil.copytree(folder, tmp_path / folder.name)) for folder in toy_records])


def steps(records: Records, config: TrainConfig, count: int, first_step: int = 0) -> list[tuple[np.ndarray, ...]]:
    with Reader(records, config) as reader:
        batches = reader.training(first_step).take(count)
        return [(photos.numpy(), truth["logits"].numpy(), truth["box"].numpy()) for photos, truth in batches]


def damage(records: Records, split: str, every: int) -> int:
    """Changes a byte in every so-manieth record of each shard of a split; returns how many."""
    count = 0
    for shard in records.shards[split]:
        rows = np.load(index_path(shard))[::every]
        content = bytearray(shard.read_bytes())
        for row in rows:
            content[row["offset"] + row["length"] // 2] ^= 0xFF
        shard.write_bytes(content)
        count += len(rows)
    return count


@pytest.mark.parametrize("augment", ["none", "imgaug", "graph"])
@pytest.mark.slow
def test_batches_are_balanced_and_the_same_from_any_step(toy_records: list[Path], augment: str) -> None:
    records, config = open_records(toy_records), dataclasses.replace(CONFIG, augment=augment)
    whole = steps(records, config, 70)
    for photos, classes, boxes in whole:
        assert photos.dtype == np.uint8
        assert photos.shape == (6, 32, 32, 3)
        assert classes.sum(axis=0).tolist() == [2, 2, 2]
        assert boxes.dtype == np.float32
    for batch, again in zip(whole[66:], steps(records, config, 4, first_step=66), strict=True):
        for part, part_again in zip(batch, again, strict=True):
            np.testing.assert_array_equal(part, part_again)


@pytest.mark.parametrize("augment", ["imgaug", "graph"])
@pytest.mark.slow
def test_the_tail_shows_photos_as_they_are(toy_records: list[Path], augment: str) -> None:
    records = open_records(toy_records)
    plain = steps(records, CONFIG, 4)
    with Reader(records, dataclasses.replace(CONFIG, augment=augment)) as reader:
        seen = [photos.numpy() for photos, _ in reader.training(plain_from=2).take(4)]
    assert [np.array_equal(photos, of_plain[0]) for photos, of_plain in zip(seen, plain, strict=True)] == [False, False, True, True]


def test_shapes_are_static(toy_records: list[Path]) -> None:
    with Reader(open_records(toy_records), dataclasses.replace(CONFIG, augment="graph", mixup=0.2)) as reader:
        photos, truth = reader.training().element_spec
    assert photos == tf.TensorSpec([6, 32, 32, 3], tf.uint8)
    assert truth == {"logits": tf.TensorSpec([6, 3], tf.float32), "box": tf.TensorSpec([6, 4], tf.float32)}


def test_natural_sampling_draws_every_photo_once_a_pass(toy_records: list[Path]) -> None:
    records = open_records(toy_records)
    photos = sum(records.counts["train"])
    config = dataclasses.replace(CONFIG, sampling="natural", batch=photos)
    ((seen, _, _),) = steps(records, config, 1)
    assert len(np.unique(seen.reshape(photos, -1), axis=0)) == photos


def test_pairs_of_a_class_lie_side_by_side(toy_records: list[Path]) -> None:
    for photos, classes, _ in steps(open_records(toy_records), dataclasses.replace(CONFIG, photos_per_class=2), 8):
        labels = classes.argmax(-1).reshape(3, 2)
        assert sorted(labels[:, 0]) == [0, 1, 2]
        np.testing.assert_array_equal(labels[:, 0], labels[:, 1])
        assert len(np.unique(photos.reshape(6, -1), axis=0)) == 6


def test_classes_held_out_are_neither_trained_nor_validated_on(toy_records: list[Path]) -> None:
    records, config = open_records(toy_records), dataclasses.replace(CONFIG, held_out=0.34)
    trained = np.concatenate([classes for _, classes, _ in steps(records, config, 10)])
    assert trained.sum(axis=0).tolist() == [30, 30, 0]
    with Reader(records, config) as reader:
        validated = sum(truth["logits"].numpy().sum(axis=0) for _, truth in reader.validation("test"))
        assert validated.tolist() == reader.counts("test").tolist() == [*records.counts["test"][:2], 0]


def test_mixing_keeps_whole_labels(toy_records: list[Path]) -> None:
    config = dataclasses.replace(CONFIG, augment="graph", mixup=0.4, cutmix=1.0)
    classes = np.concatenate([classes for _, classes, _ in steps(open_records(toy_records), config, 5)])
    np.testing.assert_allclose(classes.sum(axis=1), 1, rtol=1e-5)
    assert ((classes > 0).sum(axis=1) == 2).any()


def test_validation_visits_every_record_once(toy_records: list[Path]) -> None:
    records = open_records(toy_records)
    with Reader(records, CONFIG) as reader:
        read = list(reader.validation("test"))
    photos = np.concatenate([photos for photos, _ in read])
    assert len(np.unique(photos.reshape(len(photos), -1), axis=0)) == len(photos) == sum(records.counts["test"])
    assert np.concatenate([truth["logits"] for _, truth in read]).sum(axis=0).tolist() == records.counts["test"]


@pytest.mark.parametrize("image_px", [32, 60, 224])
@pytest.mark.slow
def test_training_and_serving_see_the_same_photo(toy_records: list[Path], image_px: int) -> None:
    records = open_records(toy_records)
    config = dataclasses.replace(CONFIG, image_px=image_px, batch=8)
    with Reader(records, config) as reader:
        validated = np.concatenate([photos for photos, _ in reader.validation("train")])
        trained = np.concatenate([photos for photos, _ in reader.training().take(8)])
    shown: list[np.ndarray] = []

    class Model:
        input_shape = (None, image_px, image_px, 3)
        variables: tuple[object, ...] = ()

        def __call__(self, photos: tf.Tensor, training: bool) -> dict[str, tf.Tensor]:
            tf.numpy_function(lambda seen: shown.append(seen.copy()), [photos], [])
            return {"logits": tf.zeros([tf.shape(photos)[0], 3]), "box": tf.zeros([tf.shape(photos)[0], 4])}

    servable = Servable(Model(), records.classes)
    index = records.index("train")
    jpegs = [
        tf.train.Example.FromString(index.read(label, member)).features.feature["image/encoded"].bytes_list.value[0]
        for label in range(3)
        for member in range(index.counts[label])
    ]
    servable.serve(tf.constant(jpegs))
    served = np.concatenate(shown)
    np.testing.assert_array_equal(served, validated.astype(np.float32))
    assert {photo.tobytes() for photo in trained.astype(np.float32)} == {photo.tobytes() for photo in served}


@pytest.mark.parametrize("augment", ["none", "imgaug"])
@pytest.mark.slow
def test_a_damaged_record_stops_reading_with_its_file_and_number(records: Records, augment: str) -> None:
    damage(records, "train", 2)
    with pytest.raises(UserError, match=r"train-\d{5}-of-\d{5}\.tfrecord: record \d+ is damaged or cut off"):
        steps(records, dataclasses.replace(CONFIG, augment=augment), 20)


def test_a_cut_off_shard_is_told_before_anything_is_read(records: Records) -> None:
    shard = records.shards["train"][-1]
    shard.write_bytes(shard.read_bytes()[:-9])
    with Reader(records, CONFIG) as reader, pytest.raises(UserError, match=rf"{shard.name}: record \d+ is damaged or cut off"):
        reader.training()


def test_damaged_records_are_skipped_and_counted_when_so_configured(records: Records) -> None:
    damaged = damage(records, "train", 3)
    shard = records.shards["train"][-1]
    shard.write_bytes(shard.read_bytes()[:-9])
    with Reader(records, SKIPPING) as reader:
        for _, truth in reader.training().take(20):
            assert truth["logits"].numpy().sum(axis=0).tolist() == [2, 2, 2]
        assert damaged <= len(reader.skipped) <= damaged + 1
        assert all("tfrecord: record" in line for line in reader.skipped)


def test_validation_leaves_out_what_is_damaged(records: Records) -> None:
    damaged = damage(records, "test", 3)
    with Reader(records, SKIPPING) as reader:
        read = sum(len(photos) for photos, _ in reader.validation("test"))
        assert len(reader.skipped) == damaged > 0
    assert read == sum(records.counts["test"]) - damaged


def test_a_class_without_a_whole_record_ends_the_run(records: Records) -> None:
    damage(records, "train", 1)
    damage(records, "test", 1)
    with pytest.raises(UserError, match="every test record is damaged"), Reader(records, SKIPPING) as reader:
        reader.validation("test")
    with pytest.raises(UserError, match="every train record of .* is damaged; run shard again"):
        steps(records, SKIPPING, 1)
