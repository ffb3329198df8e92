"""The load generator and `bench` against the embedded server."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from components.common.errors import UserError
from serving.__main__ import main
from serving.client import load
from serving.client.photo import prepare
from serving.client.wire import Model

MakePhoto = Callable[..., bytes]


def bench(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["bench", *map(str, arguments)])


def test_a_closed_loop(address: str, photo: MakePhoto) -> None:
    request = Model("marque").predict_request([prepare(photo("red"), "it")]).SerializeToString()
    result = asyncio.run(load.run(address, [request], concurrency=4, seconds=0.5, read_versions=True))
    calls = len(result.latencies_s)
    assert result.counts == {"OK": calls}
    assert calls > 10
    assert {len(array) for array in (result.starts_s, result.latencies_s, result.codes, result.versions)} == {calls}
    assert set(result.versions.tolist()) == {2}
    assert 0.5 <= result.seconds < 5
    assert result.answered_per_s == pytest.approx(calls / result.seconds)
    # No more than four at a time: their times together are no longer than four times the run.
    assert result.latencies_s.sum() <= 4 * result.seconds
    assert 0 < result.latency_ms(50) <= result.latency_ms(99) <= 1000 * result.latencies_s.max()
    assert (result.starts_s[:-1] < 0.5).all()


def test_an_open_loop_keeps_its_times(address: str, photo: MakePhoto) -> None:
    request = Model("marque").predict_request([prepare(photo("red"), "it")]).SerializeToString()
    result = asyncio.run(load.run(address, [request], concurrency=8, seconds=1, rate=20))
    assert np.allclose(np.sort(result.starts_s), np.arange(20) / 20)
    assert result.counts == {"OK": 20}
    assert set(result.versions.tolist()) == {0}


def test_an_open_loop_ends_when_its_time_is_over(address: str) -> None:
    begin = time.monotonic()
    ended = bench("--server", address, "--seconds", 0.3, "--rate", 1e9, "--json")
    assert time.monotonic() - begin < 10
    figures = json.loads(ended.stdout)
    unsent = 300_000_000 - sum(figures["codes"].values())
    assert ended.stderr == f"{unsent} requests that were due were never sent: raise --concurrency or lower --rate\n"
    for rate in ("inf", "nan", "0", "-1"):
        ended = bench("--server", address, "--rate", rate)
        assert (ended.exit_code, "Invalid value for '--rate'" in ended.stderr) == (2, True)


def test_failures_are_counted_by_code(address: str, photo: MakePhoto) -> None:
    good = Model("marque").predict_request([prepare(photo("red"), "it")]).SerializeToString()
    unknown = Model("other").predict_request([prepare(photo("red"), "it")]).SerializeToString()
    result = asyncio.run(load.run(address, [good, unknown], concurrency=1, seconds=0.3, read_versions=True))
    assert set(result.counts) == {"OK", "NOT_FOUND"}
    assert abs(result.counts["OK"] - result.counts["NOT_FOUND"]) <= 1
    assert set(result.versions[result.codes == "NOT_FOUND"].tolist()) == {0}
    assert result.latency_ms(50, "NOT_FOUND") > 0
    assert np.isnan(result.latency_ms(50, "INTERNAL"))


def test_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "CONNECT_DEADLINE_S", 0.2)
    with pytest.raises(UserError, match="localhost:1: no server answers there"):
        asyncio.run(load.run("localhost:1", [b""], concurrency=1, seconds=1))


def test_the_command_prints_json_and_a_table(address: str, tmp_path: Path, photo: MakePhoto) -> None:
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(photo("red", (40 + number, 20)))
    ended = bench(tmp_path, "--server", address, "--seconds", 0.3, "--batch", 2, "--concurrency", 2, "--json")
    assert (ended.exit_code, ended.stderr) == (0, "")
    figures = json.loads(ended.stdout)
    assert list(figures) == ["seconds", "requests_per_s", "photos_per_s", "p50_ms", "p90_ms", "p99_ms", "codes"]
    assert list(figures["codes"]) == ["OK"]
    assert figures["photos_per_s"] == pytest.approx(2 * figures["requests_per_s"], abs=0.02)
    ended = bench("--server", address, "--seconds", 0.3, "--rate", 30, "--version", 2)
    rows = {line.rsplit(maxsplit=1)[0].strip(): line.split()[-1] for line in ended.stdout.splitlines() if line.strip(" ─")}
    assert set(rows) == {"requests a second", "photos a second", "p50 ms", "p90 ms", "p99 ms", "OK"}
    assert rows["OK"] == "9"


def test_only_failures_end_in_one_line(address: str) -> None:
    ended = bench("--server", address, "--seconds", 0.1, "--model", "other", "--json")
    assert json.loads(ended.stdout)["p50_ms"] is None
    assert (ended.exit_code, ended.stderr) == (1, f"marque: error: {address}: expected answers, received NOT_FOUND\n")
