"""Batch prediction as its tasks call it: every photo has its row, a killed task goes on, and memory does not grow."""

import io
import json
import multiprocessing
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from PIL import Image

from components.common import buckets, storage
from components.common.errors import UserError
from components.predict import collect
from components.predict.listing import read_listing, write_listing
from components.predict.step import run

COLUMNS = ["file", "labels", "scores", "x1", "y1", "x2", "y2", "width", "height", "error"]
START_S = 120.0


def batch(photos: str, version: Path | str, output: str, scratch: Path, tasks: int = 1, chunk_photos: int = 4) -> dict[str, Any]:
    """All steps in this process."""
    write_listing(photos, scratch / "listing", chunk_photos)
    reports = [run(scratch / "listing", str(version), output, task=task, tasks=tasks, batch=3) for task in range(tasks)]
    return collect.run(scratch / "listing", str(version), output, reports)


def parts(folder: Path) -> dict[str, int]:
    """When each part was written."""
    return {path.name: path.stat().st_mtime_ns for path in sorted(folder.glob("part-*"))}


@pytest.fixture(scope="module")
def answered(all_photos: Path, version: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a batch."""
    folder = tmp_path_factory.mktemp("answered")
    batch(str(all_photos), version, str(folder / "out"), folder, tasks=2)
    return folder / "out"


@pytest.mark.slow
def test_every_photo_has_its_row(all_photos: Path, answered: Path) -> None:
    table = pd.read_parquet(answered / "predictions.parquet")
    assert list(table.columns) == COLUMNS
    expected = sorted(
        path.relative_to(all_photos).as_posix()
        for path in all_photos.rglob("*")
        if path.suffix.lower() in (".jpg", ".jpeg", ".png") and not path.name.startswith(".")
    )
    assert len(expected) == 15
    assert list(table["file"]) == expected

    bad = table[table["error"].notna()]
    assert list(bad["file"]) == ["broken.jpg", "words é.jpg"]
    assert [len(labels) for labels in bad["labels"]] == [0, 0]
    assert bad[["x1", "y1", "x2", "y2"]].isna().all(axis=None)
    assert "words" not in bad["error"].iloc[1]

    good = table[table["error"].isna()]
    assert all(len(labels) == len(scores) == 3 for labels, scores in zip(good["labels"], good["scores"], strict=True))
    assert all(np.all(np.diff(scores) <= 0) and scores.sum() == pytest.approx(1, abs=1e-3) for scores in good["scores"])
    assert (good["x2"] <= good["width"]).all()
    assert (good["y2"] <= good["height"]).all()
    summary = json.loads((answered / "summary.json").read_text())
    assert (summary["photos"], summary["errors"], summary["ignored"], summary["chunks"]) == (15, 2, 1, 4)
    assert sum(summary["reasons"].values()) == 2
    assert summary["photos_answered"] == 15


def test_answers_are_the_models_own(all_photos: Path, version: Path, answered: Path) -> None:
    table = pd.read_parquet(answered / "predictions.parquet").set_index("file")
    signature = tf.saved_model.load(str(version)).signatures["serving_default"]
    answer = signature(jpeg=tf.constant([(all_photos / "00.jpg").read_bytes()]))
    row = table.loc["00.jpg"]
    assert list(row["labels"]) == [label.decode() for label in answer["labels"].numpy()[0]]
    np.testing.assert_allclose(row["scores"], answer["scores"].numpy()[0], atol=1e-5)
    np.testing.assert_allclose(row[["x1", "y1", "x2", "y2"]].astype(float), answer["boxes"].numpy()[0], atol=1e-2)


@pytest.mark.parametrize("name", ["sideways.jpg", "graphic.PNG", "print.jpeg"])
def test_the_same_car_however_it_is_stored(name: str, all_photos: Path, answered: Path) -> None:
    table = pd.read_parquet(answered / "predictions.parquet").set_index("file")
    plain, other = table.loc["00.jpg"], table.loc[name]
    with Image.open(all_photos / "00.jpg") as car:
        assert (other["width"], other["height"]) == car.size == (plain["width"], plain["height"])
    edges = ["x1", "y1", "x2", "y2"]
    np.testing.assert_allclose(other[edges].astype(float), plain[edges].astype(float), atol=0.03 * max(car.size))


def test_a_photo_that_is_sent_smaller_has_its_box_in_its_own_pixels(photos: Path, version: Path, tmp_path: Path) -> None:
    for path in [*photos.rglob("*.jp*g"), *photos.glob("*.PNG")]:
        if path.name != "00.jpg":
            path.unlink()
    with Image.open(photos / "00.jpg") as car:
        car.resize((5000, 5000 * car.height // car.width)).save(photos / "large.jpg")
    batch(str(photos), version, str(tmp_path / "out"), tmp_path)
    table = pd.read_parquet(tmp_path / "out" / "predictions.parquet").set_index("file")
    small, large = table.loc["00.jpg"], table.loc["large.jpg"]
    assert large["width"] == 5000
    assert large["x2"] / 5000 == pytest.approx(small["x2"] / small["width"], abs=0.02)
    assert large["x2"] > 200


def test_run_again_nothing_is_done_again(all_photos: Path, version: Path, tmp_path: Path) -> None:
    first = batch(str(all_photos), version, str(tmp_path / "out"), tmp_path)
    written = parts(tmp_path / "out")
    table = (tmp_path / "out" / "predictions.parquet").read_bytes()
    again = batch(str(all_photos), version, str(tmp_path / "out"), tmp_path, tasks=3)  # however many share the work
    assert parts(tmp_path / "out") == written
    assert (again["photos_answered"], again["chunks_reused"]) == (0, 4)
    assert (again["photos"], again["errors"]) == (first["photos"], first["errors"])
    assert (tmp_path / "out" / "predictions.parquet").read_bytes() == table


def changed_parts(before: dict[str, int], output: Path) -> list[str]:
    return [name for name, at in parts(output).items() if before.get(name) != at]


@pytest.mark.slow
def test_only_what_changed_is_done_again(photos: Path, version: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    batch(str(photos), version, str(output), tmp_path)
    before = parts(output)
    shutil.copyfile(photos / "02.jpg", photos / "00.jpg")  # a photo of the first chunk
    batch(str(photos), version, str(output), tmp_path)
    assert changed_parts(before, output) == ["part-00000.parquet"]

    before = parts(output)
    (output / "part-00001.parquet").unlink()
    cut = (output / "part-00002.parquet").read_bytes()
    (output / "part-00002.parquet").write_bytes(cut[: len(cut) - 40])
    batch(str(photos), version, str(output), tmp_path)
    assert changed_parts(before, output) == ["part-00001.parquet", "part-00002.parquet"]
    assert len(pq.read_table(output / "predictions.parquet")) == 15


@pytest.mark.slow
def test_another_model_answers_everything_anew_and_another_card_nothing(photos: Path, version: Path, tmp_path: Path) -> None:
    output, other = tmp_path / "out", shutil.copytree(version, tmp_path / "marque" / "4")
    batch(str(photos), version, str(output), tmp_path)
    (other / "assets.extra" / "model_card.md").write_text("a card")
    before = parts(output)
    batch(str(photos), other, str(output), tmp_path)
    assert changed_parts(before, output) == []
    (other / "assets.extra" / "more.json").write_text("{}")
    batch(str(photos), other, str(output), tmp_path)
    assert len(changed_parts(before, output)) == 4


def _task(listing: Path, version: Path, output: str) -> None:
    run(listing, str(version), output, batch=2)


@pytest.mark.slow
def test_killed_in_the_middle_only_the_missing_chunks_are_done(photos: Path, version: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    first = (photos / "00.jpg").read_bytes()
    for number in range(400):
        (photos / f"more-{number:03d}.jpg").write_bytes(first)
    listing = tmp_path / "listing"
    info = write_listing(str(photos), listing, chunk_photos=10)
    process = multiprocessing.get_context("spawn").Process(target=_task, args=(listing, version, str(output)))
    process.start()
    deadline = time.monotonic() + START_S
    while len(parts(output)) < 3:
        assert time.monotonic() < deadline
        assert process.is_alive()
        time.sleep(0.005)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    there = parts(output)
    assert 3 <= len(there) < info["chunks"]
    report = run(listing, str(version), str(output))
    assert report["reused"] == len(there)
    assert changed_parts(there, output) == sorted(set(parts(output)) - set(there))
    summary = collect.run(listing, str(version), str(output), [report])
    assert summary["photos"] == 415
    assert len(pq.read_table(output / "predictions.parquet")) == 415


def test_a_missing_part_is_never_joined_over(all_photos: Path, version: Path, tmp_path: Path) -> None:
    write_listing(str(all_photos), tmp_path / "listing", 4)
    report = run(tmp_path / "listing", str(version), str(tmp_path / "out"), task=0, tasks=2)
    with pytest.raises(UserError, match=r"part-00001.parquet: expected the answers to a chunk, found none"):
        collect.run(tmp_path / "listing", str(version), str(tmp_path / "out"), [report])
    assert not (tmp_path / "out" / "predictions.parquet").exists()


@pytest.fixture
def bucket(gcs: str, all_photos: Path, version: Path) -> str:
    for path in [path for path in all_photos.rglob("*") if path.is_file()]:
        buckets.upload(path, f"gs://{gcs}/photos/{path.relative_to(all_photos).as_posix()}")
    for path in [path for path in version.rglob("*") if path.is_file()]:
        buckets.upload(path, f"gs://{gcs}/models/marque/3/{path.relative_to(version).as_posix()}")
    return f"gs://{gcs}"


@pytest.mark.slow
def test_a_bucket_gives_the_same_as_a_folder(bucket: str, answered: Path, tmp_path: Path) -> None:
    there = batch(f"{bucket}/photos", f"{bucket}/models/marque/3", f"{bucket}/out/", tmp_path, tasks=2)
    here = json.loads((answered / "summary.json").read_text())
    assert there["model"]["fingerprint"] == here["model"]["fingerprint"]
    names = [*(f"part-0000{chunk}.parquet" for chunk in range(4)), "predictions.parquet", "summary.json"]
    assert storage.list_names(f"{bucket}/out") == names
    table = pd.read_parquet(io.BytesIO(storage.read_bytes(f"{bucket}/out/predictions.parquet")))
    pd.testing.assert_frame_equal(table, pd.read_parquet(answered / "predictions.parquet"), atol=1e-4)
    again = batch(f"{bucket}/photos", f"{bucket}/models/marque/3", f"{bucket}/out", tmp_path, tasks=1)
    assert again["chunks_reused"] == 4


@pytest.mark.slow
def test_a_changed_photo_in_a_bucket_is_seen(bucket: str, all_photos: Path, version: Path, tmp_path: Path) -> None:
    batch(f"{bucket}/photos", version, f"{bucket}/out", tmp_path)
    buckets.upload(all_photos / "02.jpg", f"{bucket}/photos/00.jpg")
    again = batch(f"{bucket}/photos", version, f"{bucket}/out", tmp_path)
    assert (again["chunks_reused"], again["photos_answered"]) == (3, 4)


def test_the_listing_is_fixed(photos: Path, tmp_path: Path) -> None:
    write_listing(str(photos), tmp_path / "one", 4)
    listing = read_listing(tmp_path / "one")
    before = [listing.key(chunk, "model") for chunk in range(listing.chunks)]
    write_listing(str(photos), tmp_path / "two", 4)
    assert [read_listing(tmp_path / "two").key(chunk, "model") for chunk in range(4)] == before
    shutil.copyfile(photos / "00.jpg", photos / "zz.jpg")
    write_listing(str(photos), tmp_path / "two", 4)
    assert [read_listing(tmp_path / "two").key(chunk, "model") for chunk in range(3)] == before[:3]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere", "nowhere: expected a folder of photos or gs://bucket/prefix, found no such folder"),
        ("https://host/photos", "photos: expected a folder or gs://bucket/prefix, received 'https://host/photos'"),
        ("", "photos: expected a folder or gs://bucket/prefix, received ''"),
        ("empty", r"empty: expected photos \(.jpg, .png, ...\), found 'a.txt'"),
    ],
)
def test_wrong_sources_are_named(source: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "a.txt").write_text("x")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        write_listing(source, tmp_path / "listing")


def test_a_name_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    Path(os.fsdecode(bytes(tmp_path / "photos") + b"/\xff.jpg")).write_bytes(b"x")
    with pytest.raises(UserError, match=r"expected file names in UTF-8, found '\\udcff.jpg'; rename it"):
        write_listing(str(tmp_path / "photos"), tmp_path / "listing")


def test_what_is_no_model_is_named(all_photos: Path, tmp_path: Path) -> None:
    write_listing(str(all_photos), tmp_path / "listing")
    with pytest.raises(UserError, match="models/marque/9: expected a SavedModel, as <repository>/<model>/<version>"):
        run(tmp_path / "listing", "models/marque/9", str(tmp_path / "out"))
