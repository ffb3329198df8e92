"""A command that is told to end clears away; one that was told not to mind goes on."""

import os
import signal
from collections.abc import Iterator

import pytest

from pipelines.signals import signals_end_it


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    """Also where these tests are run under nohup."""
    before = {each: signal.signal(each, signal.SIG_DFL) for each in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGHUP])
def test_it_ends_as_an_error_would(sent: signal.Signals) -> None:
    before = signal.getsignal(sent)
    with pytest.raises(SystemExit) as ended, signals_end_it():
        os.kill(os.getpid(), sent)
    assert ended.value.code == 128 + sent
    assert signal.getsignal(sent) == before


def test_a_second_one_does_not_interrupt_what_clears_away() -> None:
    cleared = []
    with pytest.raises(SystemExit) as ended, signals_end_it():
        try:
            os.kill(os.getpid(), signal.SIGHUP)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            cleared.append("all")
    assert (ended.value.code, cleared) == (128 + signal.SIGHUP, ["all"])


def test_nohup_is_respected() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals_end_it():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
