"""ingest from end to end: every kind of source, what is written, and how a run that cannot be saved ends."""

import csv
import functools
import hashlib
import http.server
import io
import shutil
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image
from pyarrow import parquet

from components.common import boxes, buckets, storage
from components.common.dataset import COLUMN_TYPES, open_dataset
from components.common.errors import UserError
from components.ingest import write
from components.ingest.__main__ import main
from components.ingest.step import run

Catalogue = Callable[..., Path]


def _rows(classes: int = 2, photos: int = 10) -> list[list[object]]:
    """A clean catalogue: every fifth photo of a class is a test photo."""
    return [
        [f"{label}-{i}.jpg", f"Make {label}", 2, 3, 30, 20, "test" if i % 5 == 4 else "train"]
        for label in range(classes)
        for i in range(photos)
    ]


def _pack(folder: Path, archive: Path, prefix: str = "") -> Path:
    with tarfile.open(archive, "w:gz") as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, f"{prefix}{path.name}")
    return archive


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _photos(folder: Path) -> dict[str, bytes]:
    dataset = open_dataset(folder)
    return dict(zip(dataset.annotations["file"], dataset.photos(dataset.annotations), strict=True))


def test_the_dataset_holds_the_sources_bytes(toy_folder: Path, tmp_path: Path) -> None:
    info = run(str(toy_folder), tmp_path / "dataset")
    dataset = open_dataset(tmp_path / "dataset")
    assert dataset.info == info
    assert info["counts"] == {"train": 20, "validation": 4, "test": 6}
    assert (info["photos"], info["classes"], info["seed"], info["rejected"]) == (30, 3, 0, {})
    rows = dataset.annotations
    assert list(rows.columns) == list(COLUMN_TYPES)
    assert rows["file"].is_unique
    assert list(zip(rows["split"], rows["file"], strict=True)) == sorted(zip(rows["split"], rows["file"], strict=True))
    for row, content in zip(rows.itertuples(), dataset.photos(rows), strict=True):
        assert content == (toy_folder / row.file).read_bytes()
        assert hashlib.sha256(content).hexdigest() == row.sha256
        assert Image.open(io.BytesIO(content)).size == (row.width, row.height)
        box = [row.x1, row.y1, row.x2, row.y2]
        assert boxes.clip(box, row.width, row.height).tolist() == box
        assert boxes.area(box) > 0
    assert set(rows["file"].str.split("/").str[0][rows["split"] == "test"]) == {"cars_test"}


def test_the_archives_are_plain_tars(toy_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "TAR_BYTES", 50_000)
    run(str(toy_folder), tmp_path / "dataset")
    archives = sorted((tmp_path / "dataset").glob("images-*.tar"))
    assert [path.name for path in archives] == [f"images-{i:05d}.tar" for i in range(len(archives))]
    assert len(archives) > 1
    unpacked = []
    for path in archives:
        with tarfile.open(path) as tar:
            for member in tar:
                assert (member.mtime, member.uid, member.gid) == (0, 0, 0)
                unpacked.append(tar.extractfile(member).read())
    assert unpacked == list(_photos(tmp_path / "dataset").values())


def test_rows_are_written_in_groups(toy_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = run(str(toy_folder), tmp_path / "at_once")
    monkeypatch.setattr(write, "ROW_GROUP", 7)
    assert run(str(toy_folder), tmp_path / "in_groups") == at_once
    pd.testing.assert_frame_equal(*(open_dataset(tmp_path / name).annotations for name in ("at_once", "in_groups")))
    assert parquet.ParquetFile(tmp_path / "in_groups" / "annotations.parquet").num_row_groups == 5


def test_again_is_the_same_and_another_seed_another_validation(toy_folder: Path, tmp_path: Path) -> None:
    first, again, other = (run(str(toy_folder), tmp_path / name, seed=seed) for name, seed in [("a", 0), ("b", 0), ("c", 1)])
    assert first["id"] == again["id"] != other["id"]
    assert _files(tmp_path / "a") == _files(tmp_path / "b")
    a, c = (open_dataset(tmp_path / name) for name in ("a", "c"))
    assert set(a.split("test")["file"]) == set(c.split("test")["file"])
    assert set(a.split("validation")["file"]) != set(c.split("validation")["file"])


def test_toy_uri(toy_folder: Path, tmp_path: Path) -> None:
    toy = run("toy://?classes=3&per_class=10&seed=5", tmp_path / "uri")
    assert toy["source"] == "toy://?classes=3&per_class=10&seed=5"
    assert toy["id"] == run(str(toy_folder), tmp_path / "folder")["id"]


@pytest.mark.parametrize("prefix", ["", "stanford/cars/"])
def test_archives_of_either_layout(prefix: str, toy_folder: Path, catalogue: Catalogue, tmp_path: Path) -> None:
    for name, folder in [("stanford", toy_folder), ("catalogue", catalogue(_rows()))]:
        archive = _pack(folder, tmp_path / f"{name}.tgz", prefix)
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        packed = run(str(archive), tmp_path / f"{name}-packed", sha256=digest)
        assert packed["id"] == run(str(folder), tmp_path / f"{name}-plain")["id"]


def test_gs_prefix_and_archive(gcs: str, toy_folder: Path, tmp_path: Path) -> None:
    expected = run(str(toy_folder), tmp_path / "local")["id"]
    for name in storage.list_names(str(toy_folder)):
        buckets.upload(toy_folder / name, f"gs://{gcs}/cars/{name}")
    buckets.upload(_pack(toy_folder, tmp_path / "cars.tgz"), f"gs://{gcs}/packed/cars.tgz")
    assert run(f"gs://{gcs}/cars", tmp_path / "prefix")["id"] == expected
    assert run(f"gs://{gcs}/packed/cars.tgz", tmp_path / "archive")["id"] == expected
    with pytest.raises(UserError, match="found none"):
        run(f"gs://{gcs}/bikes", tmp_path / "nothing")


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a web server and the folder that it serves."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    (tmp_path / "web").mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path / "web")))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", tmp_path / "web"
    server.shutdown()
    server.server_close()
    thread.join()


def test_web_archive(web: tuple[str, Path], toy_folder: Path, tmp_path: Path) -> None:
    address, folder = web
    archive = _pack(toy_folder, folder / "cars.tgz")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    info = run(f"{address}/cars.tgz?token=secret", tmp_path / "dataset", sha256=digest)
    assert info["source"] == f"{address}/cars.tgz"
    assert info["id"] == run(str(toy_folder), tmp_path / "local")["id"]
    with pytest.raises(UserError, match="expected sha256 0000"):
        run(f"{address}/cars.tgz", tmp_path / "other", sha256="0" * 64)
    with pytest.raises(UserError, match="received 404"):
        run(f"{address}/bikes.tgz", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_the_users_own_split_stays(catalogue: Catalogue, tmp_path: Path) -> None:
    rows = _rows()
    rows[0][6] = "validation"
    run(str(catalogue(rows)), tmp_path / "dataset")
    found = open_dataset(tmp_path / "dataset").annotations
    assert dict(zip(found["file"], found["split"], strict=True)) == {row[0]: row[6] for row in rows}


def test_without_a_split_test_and_validation_are_carved(catalogue: Catalogue, tmp_path: Path) -> None:
    folder = catalogue([row[:6] for row in _rows(2, 25)], split=False)
    infos = [run(str(folder), tmp_path / str(seed), seed=seed) for seed in (0, 1)]
    assert [info["counts"] for info in infos] == [{"train": 34, "validation": 6, "test": 10}] * 2
    first, second = (set(open_dataset(tmp_path / name).split("test")["file"]) for name in ("0", "1"))
    assert first == second


def test_what_is_broken_is_set_aside_and_counted(catalogue: Catalogue, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = catalogue(_rows(2, 50))
    lines = (folder / "annotations.csv").read_text().splitlines()
    lines += [lines[1], "gone.jpg,Make 0,0,0,5,5,train", "0-1.jpg,Make 1,0,0,5,5,train", "odd.jpg,,0,0,5,5,train"]
    (folder / "annotations.csv").write_text("\n".join(lines))
    (folder / "0-2.jpg").write_bytes((folder / "0-2.jpg").read_bytes()[:300])
    shutil.copy(folder / "0-4.jpg", folder / "0-3.jpg")
    shutil.copy(folder / "1-1.jpg", folder / "1-2.jpg")
    info = run(str(folder), tmp_path / "dataset", max_rejected_share=0.1)
    assert info["rejected"] == {
        "listed twice": 2,
        "missing file": 1,
        "same bytes in train and test": 1,
        "same bytes twice": 1,
        "truncated or damaged": 1,
        "unknown class": 1,
    }
    with (tmp_path / "dataset" / "rejected.csv").open(newline="") as handle:
        rejected = {(row["file"], row["split"], row["reason"]) for row in csv.DictReader(handle)}
    assert ("0-3.jpg", "train", "same bytes in train and test") in rejected
    assert ("1-2.jpg", "train", "same bytes twice") in rejected
    assert ("0-2.jpg", "train", "truncated or damaged") in rejected
    assert set(_photos(tmp_path / "dataset")) == {row[0] for row in _rows(2, 50)} - {"0-2.jpg", "0-3.jpg", "1-2.jpg"}
    assert "truncated or damaged" in capsys.readouterr().out


def test_odd_metadata_do_no_harm(catalogue: Catalogue, tmp_path: Path) -> None:
    rows = _rows()
    folder = catalogue(rows)
    for row in rows[:4]:
        path = folder / str(row[0])
        Image.open(path).save(path, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0")
    assert run(str(folder), tmp_path / "dataset")["rejected"] == {}


def test_too_much_set_aside(catalogue: Catalogue, tmp_path: Path) -> None:
    rows = _rows()
    folder = catalogue(rows)
    for row in rows[:3]:
        (folder / str(row[0])).write_bytes(b"<html>")
    (folder / str(rows[3][0])).unlink()
    output = tmp_path / "dataset"
    message = r"at most 5% .* set aside 4 of 20 \(3 x not a JPEG or PNG, 1 x missing file\); see .*dataset/rejected.csv"
    with pytest.raises(UserError, match=message):
        run(str(folder), output)
    assert [path.name for path in output.iterdir()] == ["rejected.csv"]
    assert (output / "rejected.csv").read_text().count("not a JPEG or PNG") == 3
    assert run(str(folder), output, max_rejected_share=0.2)["photos"] == 16


def test_a_class_without_train_photos(catalogue: Catalogue, tmp_path: Path) -> None:
    rows = [*_rows(), ["new.jpg", "Lonely", 0, 0, 5, 5, "test"]]
    with pytest.raises(UserError, match=r"expected train photos of every class, 'Lonely' has none \(1 such\)"):
        run(str(catalogue(rows)), tmp_path / "dataset")
    assert not (tmp_path / "dataset").exists()


def test_no_test_photo(catalogue: Catalogue, tmp_path: Path) -> None:
    rows = [[*row[:6], "train"] for row in _rows()]
    with pytest.raises(UserError, match="expected test photos, found none; mark some rows test, or leave `split` out"):
        run(str(catalogue(rows)), tmp_path / "dataset")


def test_too_few_photos_to_carve_test_photos(catalogue: Catalogue, tmp_path: Path) -> None:
    folder = catalogue([row[:6] for row in _rows(2, 1)], split=False)
    with pytest.raises(UserError, match="expected test photos, found none; give more photos"):
        run(str(folder), tmp_path / "dataset")


def test_a_catalogue_without_photos_and_one_of_a_single_class(catalogue: Catalogue, tmp_path: Path) -> None:
    folder = catalogue([])
    with pytest.raises(UserError, match="catalogue: expected labelled photos, but the source lists no photos"):
        run(str(folder), tmp_path / "dataset")
    with (folder / "annotations.csv").open("a") as handle:
        handle.write("a.jpg,Only,0,0,5,5,train\n")
    with pytest.raises(UserError, match=r"expected at least 2 classes, received \['Only'\]"):
        run(str(folder), tmp_path / "dataset")


def test_a_file_that_is_no_archive(catalogue: Catalogue, tmp_path: Path) -> None:
    folder = catalogue(_rows())
    with pytest.raises(UserError, match=f"expected a folder or an archive, .*; give {folder} instead"):
        run(str(folder / "annotations.csv"), tmp_path / "dataset")
    for name in ("cars.csv", "cars.txt", "cars.tgz"):
        (tmp_path / name).write_text("no archive\n" * 100)
        with pytest.raises(UserError, match=f"{name}: expected a sound tar or zip archive, received another kind of file$"):
            run(str(tmp_path / name), tmp_path / "dataset")


def test_an_empty_folder_and_an_unknown_layout(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"expected cars_train, .* or annotations.csv beside photos; found an empty folder"):
        run(str(tmp_path / "empty"), tmp_path / "dataset")
    (tmp_path / "other" / "holiday").mkdir(parents=True)
    (tmp_path / "other" / "readme.txt").write_text("")
    with pytest.raises(UserError, match=r"found holiday, readme\.txt"):
        run(str(tmp_path / "other"), tmp_path / "dataset")


@pytest.mark.parametrize(
    ("source", "settings", "message"),
    [
        ("nowhere", {}, "no such folder or archive"),
        ("nowhere.tgz", {}, "no such file"),
        ("", {}, r"source: expected a path, .*, received nothing"),
        ("s3://bucket/cars", {}, r"expected a path, gs://, http\(s\):// or toy://, received 's3://bucket/cars'"),
        ("ftp://x/y.tgz", {}, r"expected a path, gs://, http\(s\):// or toy://, received 'ftp://x/y.tgz'"),
        ("toy://?classes=1", {}, "expected classes from 2"),
        ("toy://", {"sha256": "0" * 64}, "expects a single archive"),
        ("toy://", {"validation_share": 1.0}, "expected a validation_share"),
        ("toy://", {"validation_share": float("nan")}, "expected a validation_share"),
        ("toy://", {"max_rejected_share": float("nan")}, "expected a max_rejected_share from 0 to 1, received nan"),
        ("toy://", {"max_rejected_share": 1.01}, "expected a max_rejected_share"),
        ("toy://", {"max_rejected_share": -0.01}, "expected a max_rejected_share"),
        ("toy://", {"seed": -1}, "expected a seed of 0 or more, received -1"),
        ("toy://", {"max_source_bytes": 0}, "expected max_source_bytes above 0, received 0"),
        ("https://", {}, "expected the address of an archive"),
        ("https://host", {}, "expected the address of an archive"),
        ("https://me:secret@host/?token=secret", {}, "expected the address of an archive, .*, received 'https://host/'$"),
        ("https:///cars.tgz", {}, "expected the address of an archive"),
        ("https://[host/cars.tgz", {}, "expected the address of an archive"),
    ],
)
def test_wrong_sources_and_settings(source: str, settings: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        run(source, tmp_path / "dataset", **settings)
    assert not (tmp_path / "dataset").exists()


def test_a_corrupt_archive_and_one_too_large(toy_folder: Path, tmp_path: Path) -> None:
    archive = _pack(toy_folder, tmp_path / "cars.tgz")
    with pytest.raises(UserError, match="unpacks to more than"):
        run(str(archive), tmp_path / "dataset", max_source_bytes=archive.stat().st_size)
    archive.write_bytes(archive.read_bytes()[:30_000])
    with pytest.raises(UserError, match="expected a sound tar or zip archive"):
        run(str(archive), tmp_path / "dataset")
    assert not (tmp_path / "dataset").exists()


def test_an_earlier_attempt_is_replaced_and_nothing_else(toy_folder: Path, catalogue: Catalogue, tmp_path: Path) -> None:
    output = tmp_path / "dataset"
    output.mkdir()
    run(str(catalogue(_rows())), output)
    assert run(str(toy_folder), output)["classes"] == 3
    assert len(_photos(output)) == 30
    (output / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match=r"found notes\.txt; choose another output"):
        run(str(toy_folder), output)
    assert (output / "notes.txt").read_text() == "mine"


def test_a_failed_run_leaves_the_earlier_dataset(toy_folder: Path, tmp_path: Path) -> None:
    run(str(toy_folder), tmp_path / "dataset")
    before = _files(tmp_path / "dataset")
    with pytest.raises(UserError):
        run(str(tmp_path / "nowhere"), tmp_path / "dataset")
    assert _files(tmp_path / "dataset") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dataset"]


def test_png_and_grey_photos_are_stored_as_rgb_jpegs(catalogue: Catalogue, tmp_path: Path) -> None:
    rows = _rows()
    folder = catalogue(rows)
    Image.open(folder / "0-0.jpg").convert("L").save(folder / "0-0.jpg")
    Image.open(folder / "0-1.jpg").save(folder / "0-1.jpg", "PNG")
    run(str(folder), tmp_path / "dataset")
    for content in _photos(tmp_path / "dataset").values():
        photo = Image.open(io.BytesIO(content))
        assert (photo.format, photo.mode, photo.size) == ("JPEG", "RGB", (40, 30))


def test_the_command_line(toy_folder: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["run", str(toy_folder), str(tmp_path / "dataset"), "--seed", "3"])
    assert done.exit_code == 0, done.output
    assert open_dataset(tmp_path / "dataset").info["seed"] == 3
    failed = CliRunner().invoke(main, ["run", str(tmp_path / "nowhere"), str(tmp_path / "other")])
    assert failed.exit_code == 1
    assert failed.stderr.splitlines() == [f"marque: error: {tmp_path / 'nowhere'}: no such folder or archive"]
    drawn = CliRunner().invoke(main, ["toy", str(tmp_path / "toy"), "--classes", "2", "--per-class", "5"])
    assert drawn.exit_code == 0, drawn.output
    assert len(list((tmp_path / "toy" / "cars_train").iterdir())) == 8


def test_the_real_photos(stanford_mini: Path, tmp_path: Path) -> None:
    info = run(str(stanford_mini), tmp_path / "dataset")
    assert info["counts"] == {"train": 184, "validation": 32, "test": 51}
    assert (info["classes"], info["rejected"]) == (8, {})
    dataset = open_dataset(tmp_path / "dataset")
    with tarfile.open(stanford_mini / "cars_test.tgz") as tar:
        expected = {member.name: tar.extractfile(member).read() for member in tar if member.isreg()}
    test = dataset.split("test")
    assert dict(zip(test["file"], dataset.photos(test), strict=True)) == expected
    assert np.bincount(dataset.split("train")["label"], minlength=8).min() > 5
