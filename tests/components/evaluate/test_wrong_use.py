import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from components.common.errors import UserError
from components.evaluate.step import run


@pytest.fixture
def fails(tmp_path: Path, colour_model: Path, colour_records: Path) -> Callable[..., None]:
    """Runs the step, expects one line that matches, and nothing written."""

    def check(expected: str, saved_model: Path = colour_model, records: Path = colour_records, **options: Any) -> None:
        output = tmp_path / "output"
        with pytest.raises(UserError, match=expected) as caught:
            run(saved_model, [records], output, **options)
        assert "\n" not in str(caught.value)
        assert not output.exists()

    return check


@pytest.fixture
def copied_model(tmp_path: Path, colour_model: Path) -> Path:
    return shutil.copytree(colour_model, tmp_path / "copied_model")


def save(folder: Path, function: Any, name: str = "serving_default") -> Path:
    module = tf.Module()
    module.function = function
    tf.saved_model.save(module, str(folder), signatures={name: function})
    return folder


def test_no_saved_model(fails: Callable[..., None], tmp_path: Path) -> None:
    fails("expected a SavedModel written by export, found no saved_model.pb", saved_model=tmp_path)


def test_a_damaged_saved_model(fails: Callable[..., None], copied_model: Path) -> None:
    (copied_model / "saved_model.pb").write_bytes(b"no graph")
    fails("expected a whole SavedModel", saved_model=copied_model)


def test_a_saved_model_without_its_variables(fails: Callable[..., None], copied_model: Path) -> None:
    shutil.rmtree(copied_model / "variables")
    fails("expected a whole SavedModel", saved_model=copied_model)


def test_another_signature_name(fails: Callable[..., None], tmp_path: Path) -> None:
    serve = tf.function(lambda jpeg: {"labels": jpeg}, input_signature=[tf.TensorSpec([None], tf.string, name="jpeg")])
    fails(r"expected the signature 'serving_default', found \['predict'\]", saved_model=save(tmp_path / "other", serve, "predict"))


def test_another_input(fails: Callable[..., None], tmp_path: Path) -> None:
    serve = tf.function(lambda image: {"labels": image}, input_signature=[tf.TensorSpec([None, 8], tf.float32, name="image")])
    fails(r"expected the inputs jpeg \(string\), found image \(float32\)", saved_model=save(tmp_path / "other", serve))


def test_other_outputs(fails: Callable[..., None], tmp_path: Path) -> None:
    serve = tf.function(lambda jpeg: {"labels": jpeg}, input_signature=[tf.TensorSpec([None], tf.string, name="jpeg")])
    fails(r"expected the outputs boxes \(float32\), .* found labels \(string\)", saved_model=save(tmp_path / "other", serve))


def test_outputs_of_another_shape(fails: Callable[..., None], copied_model: Path, tmp_path: Path) -> None:
    def flat(jpeg: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"labels": jpeg, "scores": tf.ones_like(jpeg, tf.float32), "boxes": tf.zeros([tf.size(jpeg), 4])}

    other = save(tmp_path / "other", tf.function(flat, input_signature=[tf.TensorSpec([None], tf.string, name="jpeg")]))
    shutil.copytree(copied_model / "assets.extra", other / "assets.extra")
    fails(r"expected labels and scores \(1, k\) and boxes \(1, 4\), received \(1,\)", saved_model=other)


def test_no_class_names(fails: Callable[..., None], copied_model: Path) -> None:
    (copied_model / "assets.extra" / "classes.json").unlink()
    fails("classes.json: expected the class names of the model, found no such file", saved_model=copied_model)


@pytest.mark.parametrize("content", ["{", "{}", "[1, 2]", '["twice", "twice"]'])
def test_class_names_that_are_none(fails: Callable[..., None], copied_model: Path, content: str) -> None:
    (copied_model / "assets.extra" / "classes.json").write_text(content)
    fails("classes.json: expected a JSON list of", saved_model=copied_model)


def test_an_answer_that_is_not_among_the_class_names(
    fails: Callable[..., None], copied_model: Path, classes: list[str], photos: list[Any], make_records: Callable[..., Path]
) -> None:
    (copied_model / "assets.extra" / "classes.json").write_text(json.dumps(classes[:2]))
    fails("does not know 'Azure 2003'", saved_model=copied_model, records=make_records([photos[0]], classes[:2]))


def test_records_with_a_class_the_model_does_not_know(
    fails: Callable[..., None], photos: list[Any], classes: list[str], make_records: Callable[..., Path]
) -> None:
    fails(r"does not know 'Newcomer' \(1 of 4 classes unknown\)", records=make_records(photos, [*classes, "Newcomer"]))


def test_scores_that_are_not_numbers(fails: Callable[..., None], classes: list[str], make_model: Callable[..., Path]) -> None:
    fails("expected finite scores, received NaN or infinity for 000.jpg", saved_model=make_model(classes, poison=float("nan")))


def test_an_empty_split(fails: Callable[..., None], classes: list[str], make_records: Callable[..., Path]) -> None:
    fails("expected test photos, found none", records=make_records([], classes))
    fails("expected validation photos, found none", split="validation")


def test_no_records(fails: Callable[..., None], tmp_path: Path) -> None:
    fails("expected records written by shard", records=tmp_path)


def test_a_shard_that_is_cut_off(fails: Callable[..., None], photos: list[Any], classes: list[str], make_records: Any) -> None:
    folder = make_records(photos, classes, shards=1)
    shard = next(folder.glob("*.tfrecord"))
    shard.write_bytes(shard.read_bytes()[:-9])
    fails("record 11 is damaged or cut off", records=folder)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"split": "tset"}, "split: expected one of train, validation, test, received 'tset'"),
        ({"batch": 0}, "batch: expected at least 1 photo, received 0"),
        ({"model": Path("nowhere")}, "history.csv: expected the history of a training, found no such file"),
        ({"dataset": Path("nowhere")}, "nowhere: expected a dataset written by ingest, found no dataset.json"),
    ],
)
def test_settings(fails: Callable[..., None], options: dict[str, Any], expected: str) -> None:
    fails(expected, **options)


@pytest.mark.parametrize("content", ["", "loss,val_loss\n1,2\n", "epoch,loss\nfirst,2\n"])
def test_a_history_that_is_none(fails: Callable[..., None], tmp_path: Path, content: str) -> None:
    (tmp_path / "history.csv").write_text(content)
    fails("history.csv: expected a CSV with a", model=tmp_path)


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_model_without_its_settings(fails: Callable[..., None], tmp_path: Path, content: str) -> None:
    (tmp_path / "history.csv").write_text("epoch,loss\n0,1\n")
    fails("expected a model written by train, cannot read its config.json", model=tmp_path)
    (tmp_path / "config.json").write_text(content)
    fails("expected a model written by train, cannot read its config.json", model=tmp_path)


def test_an_output_that_is_something_else(tmp_path: Path, colour_model: Path, colour_records: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match=r"expected an empty folder, or an earlier one with metrics.json, found other files"):
        run(colour_model, [colour_records], tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "mine"
