"""The drift check as its command and the pipeline call it: verdicts, what is read, what is set aside, memory."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from components.common import buckets, storage
from components.common.errors import UserError
from components.monitor.logs import Answered, Reading, read_log
from components.monitor.step import run
from components.monitor.verdict import Demands
from components.predict.part import COLUMNS
from tests.components.monitor.conftest import CLASSES, HEIGHT, WIDTH, answers, log_of, scene, write_log

Make = Callable[..., Path]


def check(logs: Path | str, version: Path | str, records: list[Path], output: Path, **settings: Any) -> dict[str, Any]:
    return run(str(logs), str(version), [str(folder) for folder in records], output, demands=Demands.of(settings))


def drifted(result: dict[str, Any]) -> set[str]:
    return {test["name"] for test in result["tests"] if test["level"] == "drift"}


@pytest.mark.slow
def test_the_same_photos_are_no_drift(version: Path, training_records: list[Path], make_log: Make, tmp_path: Path) -> None:
    result = check(make_log(answers(3, 250)), version, training_records, tmp_path / "out")
    assert (result["verdict"], result["drift"], drifted(result)) == ("no drift", False, set())
    assert [test["name"] for test in result["tests"]] == ["class mix", "confidence", "box size", "brightness", "sharpness"]
    assert {test["photos"]["recent"] for test in result["tests"]} == {250}
    assert [test["photos"]["reference"] for test in result["tests"]] == [400, 400, 400, 500, 500]
    assert (result["photos"], result["files"], result["damaged"], result["left_out"]) == (250, 1, [], {})
    assert result["from"] == result["to"] == "2026-11-18 11:06"
    assert json.loads((tmp_path / "out" / "drift.json").read_text()) == result
    assert result["schema"] == "marque.drift/1"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"classes": range(4)}, {"class mix"}),
        ({"box_side": 0.7}, {"box size"}),
        ({"darker": 0.4}, {"brightness", "sharpness"}),
        ({"blurred": True}, {"sharpness"}),
    ],
)
@pytest.mark.slow
def test_what_has_changed_is_named(
    change: dict[str, Any], expected: set[str], version: Path, training_records: list[Path], make_log: Make, tmp_path: Path
) -> None:
    result = check(make_log(answers(4, 250, **change)), version, training_records, tmp_path / "out")
    assert (result["verdict"], result["drift"]) == ("drift", True)
    assert drifted(result) == expected
    assert len(result["reasons"]) == len(expected)


@pytest.mark.slow
def test_too_few_photos_are_a_verdict_of_their_own(
    version: Path, training_records: list[Path], make_log: Make, tmp_path: Path
) -> None:
    result = check(make_log(answers(5, 100, darker=0.4)), version, training_records, tmp_path / "out")
    assert (result["verdict"], result["drift"]) == ("too few requests", None)
    assert result["reasons"] == ["Expected at least 200 photos, found 100."]
    assert drifted(result) == set()
    assert check(tmp_path / "logs", version, training_records, tmp_path / "out", min_photos=50)["drift"] is True


@pytest.mark.slow
def test_equal_photos_count_once(version: Path, training_records: list[Path], make_log: Make, tmp_path: Path) -> None:
    photos = answers(6, 30)
    result = check(make_log(photos * 10), version, training_records, tmp_path / "out")
    assert (result["photos"], result["repeated"], result["verdict"]) == (30, 270, "too few requests")


@pytest.mark.slow
def test_the_newest_photos_of_this_version_count(version: Path, training_records: list[Path], tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    write_log(logs / "marque" / "20261101T000000Z-9-1.tfrecord", answers(7, 60, darker=0.4))
    write_log(logs / "marque" / "20261102T000000Z-1-1.tfrecord", answers(8, 60))
    write_log(logs / "marque" / "20261103T000000Z-1-1.tfrecord", answers(9, 30, darker=0.4), version=4, together=1)
    write_log(logs / "other" / "20261103T000000Z-1-1.tfrecord", answers(10, 30, darker=0.4))
    (logs / "marque" / "20261104T000000Z-1-1.tfrecord.partial").write_bytes(b"being written")
    result = check(logs, version, training_records, tmp_path / "out", min_photos=50, max_photos=60)
    assert (result["photos"], result["drift"], result["files"]) == (60, False, 2)
    assert result["left_out"] == {"answered by another version": 30}


@pytest.mark.slow
def test_a_damaged_file_is_set_aside_and_named(version: Path, training_records: list[Path], make_log: Make, tmp_path: Path) -> None:
    logs = make_log(answers(11, 60))
    path = write_log(logs / "marque" / "20261102T000000Z-1-1.tfrecord", answers(12, 60), together=1)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    cut = write_log(logs / "marque" / "20261103T000000Z-1-1.tfrecord", answers(13, 4), together=1)
    os.truncate(cut, cut.stat().st_size - 3)
    (logs / "marque" / "20261104T000000Z-1-1.tfrecord").write_bytes(b"nothing that a server writes")
    result = check(logs, version, training_records, tmp_path / "out", min_photos=50)
    assert [each["file"][7:15] for each in result["damaged"]] == ["20261104", "20261103", "20261102"]
    assert result["damaged"][1]["reason"] == "damaged or cut off at record 3"
    assert 60 + 3 + 20 < result["photos"] < 60 + 3 + 40  # what was read before the damage counts
    assert "20261102T000000Z-1-1.tfrecord" in (tmp_path / "out" / "drift.html").read_text()


@pytest.mark.slow
def test_what_is_no_answer_is_left_out_and_counted(version: Path, training_records: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "logs" / "marque" / "1.tfrecord"
    path.parent.mkdir(parents=True)
    photos = answers(14, 60)
    without = log_of(photos[:1])
    del without.predict_log.response.outputs["boxes"]
    short = log_of(photos[:2])
    short.predict_log.response.outputs["boxes"].CopyFrom(tf.make_tensor_proto([[1.0, 2.0, 3.0, 4.0]]))
    unnamed = log_of([Answered(photos[0].photo, "Nobody's car", 0.5, (0, 0, 1, 1))])
    broken = log_of([Answered(b"no photo", CLASSES[0], 0.5, (0.0, 0.0, 1.0, 1.0))])
    with tf.io.TFRecordWriter(str(path)) as writer:
        for log in (without, short, unnamed, broken, log_of(photos)):
            writer.write(log.SerializeToString())
        writer.write(b"\xff\xff no message")
    result = check(tmp_path / "logs", version, training_records, tmp_path / "out", min_photos=50)
    assert result["left_out"] == {"no photos, or without all outputs": 1, "not understood": 2}
    assert (result["photos"], result["unknown_class"], result["undecodable"]) == (61, 1, 1)
    assert [test["photos"]["recent"] for test in result["tests"]] == [61, 61, 60, 60, 60]


@pytest.mark.slow
def test_a_bucket_gives_the_same_as_a_folder(
    gcs: str, version: Path, training_records: list[Path], make_log: Make, tmp_path: Path
) -> None:
    logs = make_log(answers(15, 60))
    for name, folder in (("logs", logs), ("models/marque/3", version), *((f.name, f) for f in training_records)):
        for file in storage.list_names(str(folder)):
            buckets.upload(folder / file, f"gs://{gcs}/{name}/{file}")
    here = check(logs, version, training_records, tmp_path / "here", min_photos=50)
    there = run(
        f"gs://{gcs}/logs",
        f"gs://{gcs}/models/marque/3",
        [f"gs://{gcs}/part0", f"gs://{gcs}/part1/"],
        tmp_path / "there",
        demands=Demands(min_photos=50),
    )
    assert there["tests"] == here["tests"]


@pytest.mark.slow
def test_a_batch_is_checked_without_its_photos(version: Path, training_records: list[Path], tmp_path: Path) -> None:
    table = tmp_path / "predictions.parquet"
    rows = [
        {
            "file": f"{number}.jpg",
            "labels": [photo.label],
            "scores": [photo.score],
            "width": WIDTH,
            "height": HEIGHT,
            **dict(zip(("x1", "y1", "x2", "y2"), photo.box, strict=True)),
        }
        for number, photo in enumerate(answers(16, 250, box_side=0.7))
    ]
    rows.append({"file": "broken.jpg", "labels": [], "scores": [], "error": "expected a photo"})

    def write(model: str) -> None:
        metadata = {"marque": json.dumps({"schema": "marque.batch/1", "model": model})}
        pq.write_table(COLUMNS.with_metadata(metadata).empty_table().from_pylist(rows, COLUMNS.with_metadata(metadata)), table)

    write("this model")
    result = check(table, version, training_records, tmp_path / "out")
    assert [test["name"] for test in result["tests"]] == ["class mix", "confidence", "box size"]
    assert (drifted(result), result["left_out"]) == ({"box size"}, {"no answer": 1})
    write("another")
    with pytest.raises(UserError, match="these are of another model"):
        check(table, version, training_records, tmp_path / "out")


def test_memory_does_not_grow_with_the_photos(tmp_path: Path) -> None:
    rng, photo = np.random.default_rng(0), scene(np.random.default_rng(0))
    padding = rng.bytes(1_000_000)  # after a JPEG's end anything may follow
    path = tmp_path / "logs" / "marque" / "1.tfrecord"
    path.parent.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for number in range(150):
            bytes_of_it = photo + number.to_bytes(4, "little") + padding
            writer.write(log_of([Answered(bytes_of_it, CLASSES[0], 0.5, (0.0, 0.0, 9.0, 9.0))]).SerializeToString())
    resident = []
    for _ in read_log(str(tmp_path / "logs"), "models/marque/3", Reading()):
        resident.append(int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
    assert len(resident) == 150
    assert max(resident) - resident[10] < 30_000_000  # of 150 MB


@pytest.mark.parametrize(
    ("logs", "model", "records", "message"),
    [
        ("nowhere", "VERSION", [], r"nowhere: expected a request log, <model>/\*.tfrecord, found none of marque"),
        ("no.parquet", "VERSION", [], "no.parquet: no such file"),
        ("", "VERSION", [], "logs: expected a request log or a batch's predictions.parquet, received ''"),
        ("logs", "models/marque/1", [], "expected a version that deploy published, with the predictions of its evaluation"),
        ("logs", "VERSION", ["nowhere"], "nowhere/records.json: no such file"),
    ],
)
def test_wrong_use_is_named(
    logs: str, model: str, records: list[str], message: str, version: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        run(logs, model.replace("VERSION", str(version)), records, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"alpha": 0}, "alpha: expected a number between 0 and 1, received 0"),
        ({"min_effect": -1}, "min_effect: expected 0 or more, received -1"),
        ({"min_photos": 9000}, "expected 1 <= min_photos <= max_photos"),
        ({"photos": 9}, "monitor_settings: expected one of min_photos"),
    ],
)
def test_wrong_settings_are_named(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Demands.of(setting)


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "components.monitor", *arguments], capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_command_tells_by_its_exit_status(version: Path, training_records: list[Path], make_log: Make, tmp_path: Path) -> None:
    given = [f"--model={version}", *(f"--records={folder}" for folder in training_records), f"--output={tmp_path / 'out'}"]
    logs = str(make_log(answers(17, 230)))
    ended = command(logs, *given)
    assert (ended.returncode, ended.stdout.splitlines()[0][:9]) == (0, "no drift:"), ended.stderr
    make_log(answers(18, 230, darker=0.4))
    ended = command(logs, *given)
    assert (ended.returncode, ended.stdout[:6]) == (2, "drift:"), ended.stderr
    assert f"page: {tmp_path / 'out' / 'drift.html'}" in ended.stdout
    assert "damaged" not in ended.stderr
    for name in ("20990101.tfrecord", "20990102.tfrecord"):
        (Path(logs) / "marque" / name).write_bytes(b"damaged")
    (line,) = [line for line in command(logs, *given).stderr.splitlines() if "damaged" in line]
    assert line.startswith("marque: warning: 2 damaged log file(s)")
    assert line.endswith("marque/20990102.tfrecord: damaged at record 0")
    for wrong in ([logs], [logs, *given, "--set", "alpha"]):
        assert command(*wrong).returncode == 1
