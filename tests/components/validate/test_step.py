"""Validate, as the pipeline calls it: a fresh server process answers as evaluated, soon enough, or the model is not pushed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from components.common.errors import UserError
from components.common.validation import Recorded, read_validation
from components.validate.failures import DoesNotLoadError, OtherAnswersError, TooLargeError, TooSlowError
from components.validate.limits import Limits
from components.validate.replay import replay
from components.validate.requests import record
from components.validate.server import serving
from components.validate.step import run
from serving.client.client import Prediction
from serving.server import server as embedded
from tests.components.validate.conftest import evaluate, save

QUICK = Limits(photos=8)


@pytest.mark.slow
def test_a_good_model_is_measured_and_its_requests_are_kept(
    good_model: Path, good_evaluation: Path, photo_records: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = run(good_model, good_evaluation, [photo_records], tmp_path / "validation", limits=QUICK)
    read, requests = read_validation(tmp_path / "validation")
    assert read == report
    assert report["photos"] == report["requests"] == 8
    assert 0 < report["latency_ms"]["p50"] <= report["latency_ms"]["p99"] < 1000
    assert 100 < report["peak_memory_mb"] < 4096
    assert report["limits"]["max_p99_ms"] == 1000
    # evenly spaced: the first and the last of twelve, in the order of the records
    assert (requests[0].file, requests[-1].file) == ("00.jpg", "11.jpg")
    assert {request.label for request in requests} == {"Ruby 2001", "Emerald 2002", "Azure 2003"}
    assert requests[0].jpeg.startswith(b"\xff\xd8")
    assert (requests[0].x1, requests[0].width) == (10.0, 40)
    said = capsys.readouterr().out
    assert said.startswith("validate: 8 photos answered as evaluated; p50 ")
    assert len(said.splitlines()) == 1


def test_more_photos_than_there_are_means_all_of_them(good_evaluation: Path, photo_records: Path) -> None:
    requests = record(good_evaluation, [photo_records], "test", 20)
    assert sorted(request.file for request in requests) == [f"{i:02d}.jpg" for i in range(12)]


def refused(saved_model: Path, evaluation: Path, records: Path, output: Path, kind: type[UserError], **limits: float) -> str:
    with pytest.raises(kind) as caught:
        run(saved_model, evaluation, [records], output, limits=Limits(**{"photos": 8, **limits}))  # type: ignore[arg-type]
    assert not output.exists()
    return str(caught.value)


@pytest.mark.slow
def test_a_model_that_does_not_load_is_not_pushed(photo_records: Path, good_model: Path, tmp_path: Path) -> None:
    broken = save(tmp_path / "broken")
    (variables,) = (broken / "variables").glob("variables.data*")
    variables.unlink()
    (broken / "saved_model.pb").write_bytes(b"no graph")
    evaluation = evaluate(tmp_path / "evaluation", broken, photo_records, like=good_model)
    said = refused(broken, evaluation, photo_records, tmp_path / "out", DoesNotLoadError)
    assert "broken: not pushed: expected a server to load it within 300 s: " in said
    assert "\n" not in said


@pytest.mark.slow
def test_other_answers_than_evaluated_are_not_pushed(good_model: Path, photo_records: Path, tmp_path: Path) -> None:
    faulty = save(tmp_path / "faulty", shift=3.0)
    evaluation = evaluate(tmp_path / "evaluation", faulty, photo_records, like=good_model)
    said = refused(faulty, evaluation, photo_records, tmp_path / "out", OtherAnswersError)
    assert "faulty: not pushed: expected the answers of the evaluation: 00.jpg: expected the box 10.0, 8.0, 30.0, 24.0" in said
    assert said.endswith("received 13.0, 8.0, 33.0, 24.0 px")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (
            {"classes": ["Emerald 2002", "Azure 2003", "Ruby 2001"]},
            r"\d\d\.jpg: expected 'Ruby 2001' \(.*\), received 'Emerald 2002'",
        ),
        ({"fails": True}, "expected the answers of the evaluation, received an error: .*no blue photos here"),
    ],
)
def test_classes_in_another_order_and_errors_are_other_answers(
    fault: dict[str, object], message: str, good_evaluation: Path, photo_records: Path, tmp_path: Path
) -> None:
    save(tmp_path / "marque" / "1", **fault)
    requests = record(good_evaluation, [photo_records], "test", 8)
    server = embedded.start(tmp_path, "marque", host="localhost", port=0, rest_port=-1)
    try:
        with pytest.raises(OtherAnswersError, match=message):
            replay(f"localhost:{server.port}", "marque", requests, 1, time.monotonic() + 60)
    finally:
        server.stop(0)


@pytest.mark.parametrize(
    ("answer", "difference"),
    [
        ({}, ""),
        ({"scores": [0.505, 0.495]}, ""),
        ({"labels": ["b", "a"]}, ""),  # as likely: either may be first
        ({"labels": ["b", "a"], "scores": [0.505, 0.475]}, "expected 'a' (0.500), received 'b' (0.505)"),
        ({"labels": ["b", "c"]}, "expected 'a' (0.500), received 'b' (0.500)"),
        ({"scores": [0.52, 0.48]}, "expected 'a' with 0.500, received 0.520"),
        ({"scores": [float("nan"), 0.5]}, "expected 'a' with 0.500, received nan"),
        ({"box": (0.0, 0.0, 100.9, 50.0)}, ""),
        ({"box": (0.0, 0.0, 100.0, 52.0)}, "expected the box 0.0, 0.0, 100.0, 50.0, received 0.0, 0.0, 100.0, 52.0 px"),
        ({"box": (0.0, 0.0, 100.0, float("nan"))}, "expected the box 0.0, 0.0, 100.0, 50.0, received 0.0, 0.0, 100.0, nan px"),
    ],
)
def test_what_counts_as_the_same_answer(answer: dict[str, Any], difference: str) -> None:
    recorded = Recorded("1.jpg", b"", "a", 0.5, 0.0, 0.0, 100.0, 50.0, width=100, height=50)
    received = {"labels": ["a", "b"], "scores": [0.5, 0.5], "box": (0.0, 0.0, 100.0, 50.0), "version": 1, **answer}
    assert recorded.difference(Prediction(**received)) == (difference and f"1.jpg: {difference}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limits", "kind", "message"),
    [
        ({"max_p99_ms": 0.01}, TooSlowError, "expected one photo within max_p99_ms 0.01, measured p99 "),
        ({"max_memory_mb": 10}, TooLargeError, "expected a server within max_memory_mb 10, measured a peak of "),
        ({"deadline_s": 0.1}, DoesNotLoadError, "expected a server to load it within 0.1 s: it did not answer in time"),
    ],
)
def test_too_slow_too_large_or_too_late_is_not_pushed(
    limits: dict[str, float], kind: type[UserError], message: str, good_model: Path, good_evaluation: Path, photo_records: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    assert message in refused(good_model, good_evaluation, photo_records, tmp_path / "out", kind, **limits)


def test_an_evaluation_of_another_model_or_of_other_photos_is_refused(
    good_model: Path, good_evaluation: Path, photo_records: Path, toy_records: list[Path], tmp_path: Path
) -> None:
    other = save(tmp_path / "other", "another")
    with pytest.raises(UserError, match="received that of another model; run evaluate again"):
        run(other, good_evaluation, [photo_records], tmp_path / "out")
    with pytest.raises(UserError, match=r"expected predictions for the \d+ test photos of the records, found 12"):
        run(good_model, good_evaluation, toy_records, tmp_path / "out")
    damaged = evaluate(tmp_path / "damaged", good_model, photo_records)
    (damaged / "predictions.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"predictions\.parquet: expected the predictions of an evaluation: .*; evaluate again"):
        run(good_model, damaged, [photo_records], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"photos": 0}, "photos: expected a number above 0, received 0"),
        ({"photos": 5000}, "photos: expected at most 4096, received 5000"),
        ({"max_p99_ms": "fast"}, "max_p99_ms: expected a number, received 'fast'"),
        ({"p99": 3}, "validate settings: expected one of photos, deadline_s, max_p99_ms, max_memory_mb, received 'p99'"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Limits.of(settings)


def test_a_damaged_validation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected a validation written by validate, found no validation\.json"):
        read_validation(tmp_path)
    (tmp_path / "validation.json").write_text(json.dumps({"schema": "marque.validation/1"}))
    (tmp_path / "requests.parquet").write_bytes(b"no parquet")
    with pytest.raises(UserError, match=r"requests\.parquet: expected recorded requests: .*; run validate again"):
        read_validation(tmp_path)


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1].startswith("Z")
    except FileNotFoundError:
        return True


@pytest.mark.slow
def test_requests_past_the_deadline_are_too_slow_and_the_server_is_gone_whatever_happens(
    good_model: Path, good_evaluation: Path, photo_records: Path, tmp_path: Path
) -> None:
    (tmp_path / "marque").mkdir()
    (tmp_path / "marque" / "1").symlink_to(good_model)
    requests = record(good_evaluation, [photo_records], "test", 8)
    with (
        pytest.raises(TooSlowError, match="the deadline is over before all requests are answered"),
        serving([f"--repository={tmp_path}"], time.monotonic() + 60) as server,
    ):
        assert replay(server.address, "marque", requests, 1, time.monotonic() + 60).requests == 8
        replay(server.address, "marque", requests, 1000, time.monotonic() + 0.1)
    assert server.process.returncode == -signal.SIGKILL


PARENT = """
import subprocess, sys, time
from components.validate.server import serving

class Announced(subprocess.Popen):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        print(self.pid, flush=True)

subprocess.Popen = Announced
with serving(sys.argv[1:], time.monotonic() + 600):
    time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_the_server_goes_with_its_killed_parent(good_model: Path, tmp_path: Path) -> None:
    (tmp_path / "marque").mkdir()
    (tmp_path / "marque" / "1").symlink_to(good_model)
    command = [sys.executable, "-c", PARENT, f"--repository={tmp_path}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        os.kill(parent.pid, signal.SIGKILL)
    until = time.monotonic() + 20
    while not gone(pid) and time.monotonic() < until:
        time.sleep(0.02)
    assert gone(pid)
