"""Real worker processes: right results, one clear error, and nothing left behind however they end."""

import importlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow as tf

from components.common.errors import UserError
from components.train.augment.workers import Workers

DEADLINE_S = 60

NOISE = """
import numpy as np
def augment(photos, boxes, seed, strength):
    noise = np.random.default_rng(abs(seed)).integers(0, 256, photos.shape, np.uint8)
    return photos ^ noise, boxes * np.float32(strength) + np.float32(seed % 7)
"""
SLOW = """
import os, time
def augment(photos, boxes, seed, strength):
    time.sleep(strength)
    return photos, boxes * 0 + os.getpid()
"""
SURROUNDINGS = """
import sys, cv2
def augment(photos, boxes, seed, strength):
    boxes[:] = "tensorflow" in sys.modules, "pytest" in sys.modules, cv2.getNumThreads(), 0
    return photos, boxes
"""
FAILING = """
def augment(photos, boxes, seed, strength):
    raise ValueError(f"no such strength: {strength}")
"""
WRONG_TYPE = """
def augment(photos, boxes, seed, strength):
    return photos.astype("float32"), boxes
"""


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Makes a source text a policy and gives its module's name."""

    def write(source: str) -> str:
        name = f"policy_{tmp_path.name}"
        (tmp_path / f"{name}.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
        return name

    return write


def _batch(n: int, px: int = 16) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    return rng.integers(0, 256, (n, px, px + 3, 3), np.uint8), rng.random((n, 4), np.float32)


def _worker_ids(workers: Workers) -> list[int]:
    """The process ids of two workers that run SLOW: idle workers take turns."""
    return [int(workers(*_batch(1), 0)[1][0, 0]) for _ in range(2)]


def _gone(process_id: int) -> bool:
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def _wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_many_threads_get_what_the_policy_gives_in_process(policy):
    name = policy(NOISE)
    augment = importlib.import_module(name).augment
    cases = [(_batch(n, px), seed) for seed, (n, px) in enumerate([(1, 8), (32, 16), (3, 64), (32, 16), (7, 30)] * 8, -(2**40))]
    with Workers(name, 3, 0.5) as workers, ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda case: workers(*case[0], case[1]), cases))
    for ((photos, boxes), seed), (got_photos, got_boxes) in zip(cases, results, strict=True):
        want_photos, want_boxes = augment(photos, boxes, seed, 0.5)
        np.testing.assert_array_equal(got_photos, want_photos)
        np.testing.assert_array_equal(got_boxes, want_boxes)
        assert got_photos.dtype == np.uint8
        assert got_boxes.dtype == np.float32


def test_the_caller_s_arrays_and_earlier_results_stay_as_they_are(policy):
    photos, boxes = _batch(4)
    before = photos.copy(), boxes.copy()
    with Workers(policy(NOISE), 1, 0.5) as workers:
        first = workers(photos, boxes, 1)
        kept = first[0].copy(), first[1].copy()
        workers(photos, boxes, 2)
    np.testing.assert_array_equal(photos, before[0])
    np.testing.assert_array_equal(boxes, before[1])
    np.testing.assert_array_equal(first[0], kept[0])
    np.testing.assert_array_equal(first[1], kept[1])


def test_a_worker_has_no_tensorflow_no_main_module_and_one_thread(policy):
    threads = cv2.getNumThreads()
    with Workers(policy(SURROUNDINGS), 1, 1.0) as workers:
        assert workers(*_batch(1), 0)[1].tolist() == [[0, 0, 1, 0]]
    assert cv2.getNumThreads() == threads


@pytest.mark.parametrize("name", ["seed", "imgaug"])
@pytest.mark.slow
def test_our_policies_run_in_workers_without_tensorflow(name):
    with Workers(f"components.train.augment.{name}", 1, 1.0) as workers:
        photos, boxes = workers(*_batch(2, 64), 1)
        assert (photos.shape, boxes.shape) == ((2, 64, 67, 3), (2, 4))
        children = Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split()
        mapped = [Path(f"/proc/{child}/maps").read_text() for child in children]
    assert any("cv2" in libraries for libraries in mapped)
    assert not any("tensorflow" in libraries for libraries in mapped)


def _mappings(of):
    return Path("/proc/self/maps").read_text().count(of)


def test_shared_memory_has_no_name_and_descriptors_do_not_pile_up(policy):
    def descriptors():
        targets = [each.resolve() for each in Path("/proc/self/fd").iterdir()]
        return sum("/memfd:augmentation" in str(target) for target in targets)

    named_before = _mappings("/dev/shm/")
    with Workers(policy(NOISE), 1, 1.0) as workers:
        workers(*_batch(1), 0)
        held = descriptors()
        assert held == 1
        for n in range(1, 20):
            workers(*_batch(n), n)
        assert descriptors() <= held
        assert _mappings("/memfd:augmentation") == 1
        assert _mappings("/dev/shm/") == named_before
    assert _mappings("/memfd:augmentation") == 0
    assert descriptors() == 0


def test_a_killed_worker_ends_every_call_with_one_line(policy):
    with Workers(policy(SLOW), 2, 0.2) as workers, ThreadPoolExecutor(6) as threads:
        victim, _ = _worker_ids(workers)
        calls = [threads.submit(workers, *_batch(2), seed) for seed in range(100)]
        os.kill(victim, signal.SIGKILL)
        errors = [call.exception(DEADLINE_S) for call in calls]
    assert errors[-1] is not None
    for error in filter(None, errors):
        assert isinstance(error, UserError)
        assert "an augmentation worker was killed (SIGKILL), as when memory runs out" in str(error)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (FAILING, "ValueError: no such strength: 0.75"),
        (WRONG_TYPE, "TypeError: Cannot cast"),
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("raise SystemExit(3)", "ended with exit status 3"),
    ],
)
def test_a_policy_that_fails_says_why_in_every_call(policy, source, reason, capfd):
    name = policy(source)
    with Workers(name, 2, 0.75) as workers:
        for _ in range(3):
            with pytest.raises(UserError, match=reason) as failure:
                workers(*_batch(1), 0)
            assert name in str(failure.value)
    assert "Traceback" in capfd.readouterr().err or "SystemExit" in source


def test_close_ends_calls_under_way_and_workers(policy):
    with ThreadPoolExecutor(4) as threads:
        with Workers(policy(SLOW), 2, 0.2) as workers:
            ids = _worker_ids(workers)
            calls = [threads.submit(workers, *_batch(1), seed) for seed in range(100)]
        assert all(map(_gone, ids))
        workers.close()
        assert isinstance(calls[-1].exception(DEADLINE_S), StopIteration)
    with pytest.raises(StopIteration):
        workers(*_batch(1), 0)


def _dataset(workers: Workers, steps: int) -> tf.data.Dataset:
    photos, boxes = _batch(4)
    return tf.data.Dataset.range(steps).map(
        lambda step: tf.numpy_function(workers, [photos, boxes, step], [tf.uint8, tf.float32]), num_parallel_calls=4
    )


def test_tf_data_gets_the_batches_in_order(policy):
    photos, boxes = _batch(4)
    with Workers(policy(NOISE), 2, 1.0) as workers:
        batches = list(_dataset(workers, 20).as_numpy_iterator())
        for step, (got_photos, got_boxes) in enumerate(batches):
            want_photos, want_boxes = workers(photos, boxes, step)
            np.testing.assert_array_equal(got_photos, want_photos)
            np.testing.assert_array_equal(got_boxes, want_boxes)


def test_the_line_survives_tf_data(policy):
    with Workers(policy(FAILING), 2, 0.75) as workers, pytest.raises(tf.errors.UnknownError) as failure:
        list(_dataset(workers, 20))
    assert "UserError: " in failure.value.message
    assert "failed in an augmentation worker: ValueError: no such strength: 0.75\n" in failure.value.message


def test_closing_while_tf_data_reads_ahead_is_silent(policy, capfd):
    with Workers(policy(SLOW), 2, 0.1) as workers:
        batches = iter(_dataset(workers, 1000).prefetch(4))
        next(batches)
        capfd.readouterr()
    del batches
    assert capfd.readouterr().err == ""


SCRIPT = """
import contextlib, sys, threading, time
import numpy as np
from components.train.augment.workers import Workers

def main():
    workers = Workers("slow", 2, 0.1)
    photos, boxes = np.zeros((8, 32, 32, 3), np.uint8), np.zeros((8, 4), np.float32)
    ids = [int(workers(photos, boxes, 0)[1][0, 0]) for _ in range(2)]
    def work():
        with contextlib.suppress(StopIteration):
            for seed in range(10**6):
                workers(photos, boxes, seed)
    threading.Thread(target=work, daemon=True).start()  # so that one worker is busy at the end, one idle
    print("main", *ids, flush=True)
    if "normal" in sys.argv:
        return
    if "exception" in sys.argv:
        with workers:
            raise RuntimeError("boom")
    while True:
        time.sleep(1)

main()  # without a guard, as in many a script
"""


@pytest.mark.parametrize(
    ("way", "redirection"),
    [("normal", ""), ("normal", "<&-"), ("exception", ""), ("SIGINT", ""), ("SIGTERM", ""), ("SIGKILL", "")],
)
@pytest.mark.slow
def test_nothing_is_left_behind_however_the_main_process_ends(tmp_path, way, redirection):
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "script.py").write_text(SCRIPT)
    # In a session of its own, so that the signal can go to the whole group, as Ctrl-C in a terminal does.
    script = subprocess.Popen(
        ["/bin/sh", "-c", f'exec "$@" {redirection}', "sh", sys.executable, str(tmp_path / "script.py"), way],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{Path.cwd()}"},
    )
    killer = threading.Timer(DEADLINE_S, script.kill)
    killer.start()
    assert script.stdout
    assert script.stderr
    first = script.stdout.readline().split()
    if way.startswith("SIG"):
        os.killpg(script.pid, signal.Signals[way])
    rest, noise = script.communicate(timeout=DEADLINE_S)
    killer.cancel()
    assert first[:1] == ["main"], noise
    ids = [int(word) for word in first[1:]]
    assert len(set(ids)) == 2
    _wait_until(lambda: all(map(_gone, ids)))
    assert rest == ""
    last_lines = {"exception": ["RuntimeError: boom"], "SIGINT": ["KeyboardInterrupt"]}.get(way, [])
    assert noise.splitlines()[-1:] == last_lines
    assert noise.count("Traceback") == len(last_lines)
