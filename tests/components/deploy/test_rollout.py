"""A roll-out to real servers: canary, smoke test, stable, watch; and back by itself."""

import itertools
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from components.common.errors import UserError
from components.deploy.fleet import Fleet
from components.deploy.rollout import RolloutError
from components.validate.server import Process
from serving.client.client import Client
from serving.client.labels import read_config, write_config
from tests.components.deploy.conftest import (
    GREY,
    Candidate,
    Server,
    another,
    answering,
    labels,
    loaded,
    served,
    versions,
)

Start = Callable[..., Server]


def test_the_first_version_goes_through_canary_to_stable(
    good: Candidate, repository: Path, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    address = start().address
    uri = good.deploy(repository, address)
    assert uri == str(repository / "marque" / "1")
    assert labels(repository) == {"stable": 1}
    assert (loaded(repository), served(address), answering(address)) == ([1], [1], 1)
    said = [line.removeprefix("deploy: ") for line in capsys.readouterr().out.splitlines()]
    assert said[:5] == [
        f"published {uri} (top1 0.900, mean_iou 0.800)",
        "loading version 1 on 1 server(s)",
        f"canary: smoke test 6/6 on {address}",
        "canary: version 1 passed",
        "stable: version 1, watched",
    ]
    assert said[5].startswith("watch: p50 ")
    assert len(said) == 6


@contextmanager
def constant_requests(address: str) -> Iterator[tuple[list[int], list[str]]]:
    """Asks through `stable` without a pause, from two threads; gives the versions that answered and the errors, in their order."""
    answers: list[int] = []
    errors: list[str] = []
    ended = threading.Event()

    def ask() -> None:
        with Client(address, label="stable", retries=0) as client:
            while not ended.is_set():
                try:
                    answers.append(client.predict([GREY])[0].version)
                except UserError as error:
                    errors.append(str(error))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield answers, errors
    finally:
        ended.set()
        for thread in threads:
            thread.join()


@pytest.mark.slow
def test_five_roll_outs_and_two_roll_backs_under_constant_requests_without_a_lost_one(
    good: Candidate,
    faulty: dict[str, Candidate],
    repository: Path,
    tmp_path: Path,
    start_process: Callable[..., Process],
) -> None:
    address = start_process().address
    good.deploy(repository, address)
    with constant_requests(address) as (answers, errors):
        for number in range(2, 4):
            another(good, tmp_path / f"good{number}").deploy(repository, address)
        for fault in ("other", "fails"):
            with pytest.raises(RolloutError):
                faulty[fault].deploy(repository, address)
            assert (labels(repository), served(address)) == ({"stable": 3, "previous": 2}, [2, 3])
        for number in range(4, 7):
            another(good, tmp_path / f"good{number}").deploy(repository, address, keep_versions=3)
    assert errors == []
    # what was withdrawn, 4 and 5, never answered through stable; its numbers are not given again
    assert [version for version, _ in itertools.groupby(sorted(answers))] == [1, 2, 3, 6, 7, 8]
    assert answering(address) == 8
    assert labels(repository) == {"stable": 8, "previous": 7}
    assert versions(repository) == ["6", "7", "8"]
    assert served(address) == loaded(repository) == [7, 8]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("fails", r"smoke test on \S+ through canary: \d\d\.jpg: .*no blue photos here"),
        ("other", r"smoke test on \S+ through canary: \d\d\.jpg: expected the box .*, received "),
        ("slow", r"watch on \S+: expected a p50 of at most .* ms of version 1 \+ 20\), measured .* ms of version 2"),
        ("broken", r"version 2 does not load: "),
    ],
)
@pytest.mark.slow
def test_a_version_that_does_worse_is_set_back(
    fault: str, reason: str, good: Candidate, faulty: dict[str, Candidate], repository: Path, start: Start
) -> None:
    address = start().address
    good.deploy(repository, address)
    before = (repository / "models.config").read_text()
    with pytest.raises(RolloutError, match=rf"version 2 was set back, version 1 is stable: .*{reason}") as caught:
        faulty[fault].deploy(repository, address)
    assert "\n" not in str(caught.value)
    assert (repository / "models.config").read_text() == before
    assert (answering(address), served(address), versions(repository)) == (1, [1], ["1"])
    with pytest.raises(UserError, match="canary"):
        answering(address, "canary")


def test_the_first_version_of_all_is_set_back_to_none(faulty: dict[str, Candidate], repository: Path, start: Start) -> None:
    address = start().address
    with pytest.raises(RolloutError, match="version 1 was set back, none is stable: "):
        faulty["other"].deploy(repository, address)
    assert (labels(repository), loaded(repository), versions(repository)) == ({}, [], [])
    assert "marque" not in (repository / "models.config").read_text()
    start()  # one that starts now finds nothing to serve, and no error


@pytest.mark.slow
def test_a_server_that_dies_in_the_middle_sets_the_others_back(
    good: Candidate, repository: Path, tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    ones, others = start(), start()
    servers = f"{ones.address}, {others.address}"
    good.deploy(repository, servers)
    on_line("canary: version 2 passed", others.stop, monkeypatch)
    with pytest.raises(
        RolloutError, match=f"version 1 is stable: .*{others.address}: no server answers there.*; set it back on"
    ) as it:
        another(good, tmp_path / "second").deploy(repository, servers)
    assert "\n" not in str(it.value)
    assert (answering(ones.address), served(ones.address), versions(repository)) == (1, [1], ["1"])
    assert labels(repository) == {"stable": 1}
    again = start().address
    assert (answering(again), served(again)) == (1, [1])


def on_line(line: str, do: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Does something when a deploy in this process has said `line`."""
    from components.deploy import step

    say = step._say

    def said(what: str) -> None:
        say(what)
        if what == line:
            do()

    monkeypatch.setattr(step, "_say", said)


def test_labels_that_someone_else_moves_meanwhile_are_left_alone(
    good: Candidate, repository: Path, tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = start().address
    good.deploy(repository, address)
    another(good, tmp_path / "second").deploy(repository, address)
    path = repository / "models.config"

    def by_hand() -> None:
        config = read_config(path.read_text())
        config.model_config_list.config[0].version_labels["stable"] = 1
        path.write_text(write_config(config))

    on_line("canary: version 3 passed", by_hand, monkeypatch)
    with pytest.raises(
        UserError, match=r"expected the labels of marque .*, found \(canary 3, stable 1\): someone else has moved them"
    ):
        another(good, tmp_path / "third").deploy(repository, address)
    assert labels(repository) == {"stable": 1, "canary": 3}
    another(good, tmp_path / "fourth").deploy(repository, address)  # takes the canary over
    assert labels(repository) == {"stable": 4, "previous": 1}


def test_other_models_other_labels_and_the_servers_path_stay(
    good: Candidate, repository: Path, tmp_path: Path, start: Start
) -> None:
    good.deploy(repository)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.symlink_to(repository)
    shutil.copytree(repository / "marque" / "1", repository / "other" / "7")
    config = read_config((repository / "models.config").read_text())
    mine = config.model_config_list.config[0]
    mine.base_path = str(elsewhere / "marque")
    mine.version_labels["shop"] = 1
    other = config.model_config_list.config.add(name="other", base_path=str(repository / "other"), model_platform="tensorflow")
    other.version_labels["mine"] = 7
    (repository / "models.config").write_text(write_config(config))
    address = start().address
    for number in (2, 3):
        another(good, tmp_path / str(number)).deploy(repository, address, keep_versions=1)
    config = read_config((repository / "models.config").read_text())
    mine, kept = config.model_config_list.config
    assert kept == other
    assert mine.base_path == str(elsewhere / "marque")
    assert dict(mine.version_labels) == {"stable": 3, "previous": 2, "shop": 1}
    assert versions(repository) == ["1", "2", "3"]
    assert served(address) == [1, 2, 3]
    with Client(address, "other", label="mine") as client:
        assert client.predict([GREY])[0].version == 7


def test_a_server_that_missed_a_roll_out_is_told_by_the_next_run(
    good: Candidate, repository: Path, tmp_path: Path, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    late = start(tmp_path / "empty.config")
    good.deploy(repository)
    second = another(good, tmp_path / "second")
    second.deploy(repository)
    second.deploy(repository, late.address)
    assert "deploy: version 2 is stable already\n" in capsys.readouterr().out
    assert (answering(late.address), served(late.address)) == (2, [1, 2])


def test_a_repository_from_before_there_were_labels_has_its_newest_version_as_stable(
    good: Candidate, repository: Path, tmp_path: Path, faulty: dict[str, Candidate], start: Start
) -> None:
    for version in ("3", "4"):
        shutil.copytree(good.saved_model, repository / "marque" / version)
    server = start(tmp_path / "empty.config")
    with pytest.raises(RolloutError, match="version 5 was set back, version 4 is stable"):
        faulty["other"].deploy(repository, server.address)
    assert (labels(repository), answering(server.address)) == ({"stable": 4}, 4)


@pytest.mark.slow
def test_a_name_with_several_addresses_stands_for_all_of_them(
    good: Candidate, repository: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    ones = start(host="127.0.0.1")
    port = int(ones.address.rpartition(":")[2])
    resolve = socket.getaddrinfo

    def headless(host: str, *arguments: Any, **options: Any) -> Any:
        if host != "marque-serving":
            return resolve(host, *arguments, **options)
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ("127.0.0.2", "127.0.0.1")]
        return [*found, (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0))]

    monkeypatch.setattr(socket, "getaddrinfo", headless)
    fleet = Fleet.of(f"marque-serving:{port}, localhost:{port}", "marque")
    assert fleet.servers == (f"127.0.0.1:{port}", f"127.0.0.2:{port}", f"localhost:{port}")
    with pytest.raises(RolloutError, match=rf"127\.0\.0\.2:{port}: no server answers there"):
        good.deploy(repository, f"marque-serving:{port}")
    assert (labels(repository), versions(repository)) == ({}, [])


@pytest.mark.parametrize(
    ("servers", "message"),
    [
        ("localhost", "expected a server as host:port"),
        ("no-such-host.invalid:8500", "servers: expected the address of a server, received 'no-such-host.invalid:8500'"),
    ],
)
def test_what_is_no_server_is_refused_before_anything_is_done(
    servers: str, message: str, good: Candidate, repository: Path
) -> None:
    with pytest.raises(UserError, match=message):
        good.deploy(repository, servers)
    assert not repository.exists()


def test_only_what_nobody_needs_is_removed(
    good: Candidate, repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(1, 6):
        another(good, tmp_path / str(number)).deploy(repository)
    shutil.copytree(repository / "marque" / "5", repository / "marque" / "9")  # newer than stable: another's business
    (repository / "marque" / ".withdrawn-8").mkdir()
    (repository / "marque" / ".publishing-x").mkdir()
    config = read_config((repository / "models.config").read_text())
    config.model_config_list.config[0].version_labels["shop"] = 2
    config.model_config_list.config[0].model_version_policy.specific.versions.append(2)
    (repository / "models.config").write_text(write_config(config))
    last = another(good, tmp_path / "last")
    assert last.deploy(repository, keep_versions=1).endswith("/10")
    assert labels(repository) == {"stable": 10, "previous": 5}
    assert versions(repository) == ["10", "2", "5"]
    assert "deploy: removed versions 1, 3, 4, 9\n" in capsys.readouterr().out
