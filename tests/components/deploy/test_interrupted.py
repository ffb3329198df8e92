"""Deploys that are killed at any point, and deploys at the same time: what is stable can be served at every moment."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from components.common import buckets, exchange, storage
from components.common.errors import UserError
from components.common.repository import complete_versions
from components.deploy import lock as locks
from components.deploy.labels import Labels, MovedError
from components.deploy.lock import LostLockError, lock
from components.deploy.rollout import RolloutError
from tests.components.deploy.conftest import EMPTY, Candidate, Server, another, answering, labels, served, versions
from tests.components.deploy.dying import ENDED_WELL, SET_BACK

Start = Callable[..., Server]
NEVER = 10_000


def deploying(candidate: Candidate, repository: str, servers: str = "", at: int = NEVER) -> "subprocess.Popen[str]":
    """A deploy in a process of its own, which is killed at that point."""
    arguments = [str(candidate.saved_model.parent), repository, servers, str(at)]
    command = [sys.executable, "-m", "tests.components.deploy.dying", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def ended(process: "subprocess.Popen[str]") -> tuple[int, str]:
    said, _ = process.communicate(timeout=300)
    assert process.returncode in (ENDED_WELL, SET_BACK, -signal.SIGKILL), said
    return process.returncode, said


def stable_of(repository: str) -> int:
    """What is stable; a server that starts now could serve it."""
    state = Labels(f"{repository}/models.config", "marque", "").state
    assert state.stable is not None
    assert state.stable in state.versions
    assert state.stable in complete_versions(storage.list_names(f"{repository}/marque"))
    return state.stable


@pytest.mark.slow
@pytest.mark.parametrize("bad", [False, True])
def test_killed_at_every_point_and_run_again_it_goes_on(
    bad: bool, good: Candidate, faulty: dict[str, Candidate], repository: Path, tmp_path: Path, start: Start
) -> None:
    server = start()
    good.deploy(repository, server.address)
    stable, code = 1, -signal.SIGKILL
    at = 8 if bad else 0  # until the smoke test one is as the other
    while code == -signal.SIGKILL:
        at += 1
        candidate = another(faulty["other"] if bad else good, tmp_path / f"candidate{at}")
        code, said = ended(deploying(candidate, str(repository), server.address, at))
        assert stable_of(str(repository)) == stable or "deploy: canary: version" in said
        if bad:
            with pytest.raises(RolloutError):
                candidate.deploy(repository, server.address)
        else:
            stable = int(candidate.deploy(repository, server.address, keep_versions=2).rpartition("/")[2])
        assert stable_of(str(repository)) == stable == answering(server.address)
        assert labels(repository).keys() <= {"stable", "previous"}
        assert {str(version) for version in served(server.address)} <= set(versions(repository))
        assert all(name.isdecimal() for name in versions(repository))
        assert int(max(versions(repository), key=int)) == stable
    assert at > 12


def deploy_at_once(candidates: Sequence[Candidate], repository: str, servers: str = "") -> None:
    """Each in a process of its own, all at the same time."""
    for process in [deploying(candidate, repository, servers) for candidate in candidates]:
        code, said = ended(process)
        assert code == ENDED_WELL, said


@pytest.mark.slow
def test_deploys_at_the_same_time_go_one_after_the_other(good: Candidate, repository: Path, tmp_path: Path, start: Start) -> None:
    server = start()
    deploy_at_once([another(good, tmp_path / str(number)) for number in range(4)], str(repository), server.address)
    assert labels(repository) == {"stable": 4, "previous": 3}
    assert versions(repository) == ["3", "4"]
    assert (answering(server.address), served(server.address)) == (4, [3, 4])
    names = {(repository / "marque" / version / "assets.extra" / "name").read_text() for version in ("3", "4")}
    assert len(names) == 2


@pytest.mark.slow
def test_deploys_into_a_bucket_at_the_same_time_go_one_after_the_other(
    good: Candidate, gcs: str, tmp_path: Path, preconditions: None, start: Start
) -> None:
    server = start(tmp_path / "empty.config")
    repository = f"gs://{gcs}/models"
    deploy_at_once([another(good, tmp_path / str(number)) for number in range(3)], repository, server.address)
    state = Labels(f"{repository}/models.config", "marque", "").state
    assert dict(state.labels) == {"stable": 3, "previous": 2}
    assert complete_versions(storage.list_names(f"{repository}/marque")) == [2, 3]
    assert (answering(server.address), served(server.address)) == (3, [2, 3])


@pytest.mark.slow
def test_a_killed_deploy_into_a_bucket_is_taken_over_and_one_that_is_set_back_leaves_nothing(
    good: Candidate, faulty: dict[str, Candidate], gcs: str, tmp_path: Path, preconditions: None, start: Start,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(locks, "LEASE_S", 0.5)
    server = start(tmp_path / "empty.config")
    repository = f"gs://{gcs}/models"
    good.deploy(repository, server.address)
    second = another(good, tmp_path / "second")
    assert ended(deploying(second, repository, server.address, at=4))[0] == -signal.SIGKILL
    assert buckets.read_generation(f"{repository}/marque/.lock")[1] > 0
    assert stable_of(repository) == 1
    second.deploy(repository, server.address)
    assert stable_of(repository) == 2 == answering(server.address)
    with pytest.raises(RolloutError, match="version 3 was set back, version 2 is stable"):
        faulty["other"].deploy(repository, server.address)
    assert storage.list_names(f"{repository}/marque/3") == []
    assert stable_of(repository) == 2 == answering(server.address)
    buckets.write_generation(f"{repository}/marque/.claims/9", b"", 0)
    buckets.write_generation(f"{repository}/marque/9/variables", b"begun, never ended", 0)
    assert another(good, tmp_path / "last").deploy(repository).endswith("/10")
    assert storage.list_names(f"{repository}/marque/9") == []


@pytest.mark.parametrize("kind", ["local", "bucket"])
@pytest.mark.slow
def test_a_second_deploy_waits_and_is_refused_when_it_takes_too_long(
    kind: str, good: Candidate, repository: Path, gcs: str, preconditions: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "LEASE_S", 1.0)
    place = str(repository) if kind == "local" else f"gs://{gcs}"
    with lock(f"{place}/marque", 1) as still_mine:
        with pytest.raises(UserError, match="another deploy of this model is under way; run this one again when it has ended"):
            good.deploy(place, wait_s=2.5)  # longer than a lease, which its holder renews
        still_mine()
    assert good.deploy(place).endswith("/1")


def test_a_holder_that_lost_its_lease_is_told(gcs: str, preconditions: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "LEASE_S", 0.3)
    with lock(f"gs://{gcs}/marque", 1) as still_mine:
        uri = f"gs://{gcs}/marque/.lock"
        assert any(exchange.write(uri, b"another's", exchange.read(uri)) for _ in range(100))
        with pytest.raises(LostLockError, match="another deploy has taken over"):
            until = time.monotonic() + 20
            while time.monotonic() < until:
                still_mine()
                time.sleep(0.01)
    assert storage.read_bytes(uri) == b"another's"


@pytest.mark.parametrize("kind", ["local", "bucket"])
def test_changes_of_the_config_by_many_are_never_lost(kind: str, tmp_path: Path, gcs: str, preconditions: None) -> None:
    uri = str(tmp_path / "models.config") if kind == "local" else f"gs://{gcs}/models.config"
    exchange.write(uri, EMPTY.encode(), exchange.read(uri))

    def change(model: str) -> None:
        labels = Labels(uri, model, f"/{model}")
        for version in range(1, 6):
            labels.move(labels.state.moved(stable=version))

    threads = [threading.Thread(target=change, args=(f"model{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [Labels(uri, f"model{number}", "").state.stable for number in range(4)] == [5] * 4
    stale = Labels(uri, "model0", "")
    Labels(uri, "model0", "").move(stale.state.moved(stable=7))
    with pytest.raises(
        MovedError, match=r"expected the labels of model0 as this deploy left them \(stable 5\), found \(stable 7\)"
    ):
        stale.move(stale.state.moved(stable=6))
