"""A training's state as a file: what comes back, what is refused, locally and in a bucket."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from components.common.errors import UserError
from components.train.checkpoint import Checkpoint

ARRAYS = [np.arange(6, dtype=np.float32).reshape(2, 3), np.array(7, np.int64), np.zeros((0, 2), np.float16)]
STATE = {"step": 3, "rows": [{"loss": 0.5}], "best": float("inf")}


@pytest.fixture(params=["local", "bucket"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "deep" / "folder") if request.param == "local" else f"gs://{request.getfixturevalue('gcs')}/deep/folder"


def test_what_was_saved_last_comes_back_until_it_is_deleted(folder: str) -> None:
    checkpoint = Checkpoint(folder, "a")
    assert checkpoint.load() is None
    checkpoint.save([np.ones(3)], {"step": 1})
    checkpoint.save(ARRAYS, STATE)
    arrays, state = Checkpoint(folder, "a").load() or ([], {})
    assert state == STATE
    assert [array.dtype for array in arrays] == [array.dtype for array in ARRAYS]
    for array, expected in zip(arrays, ARRAYS, strict=True):
        np.testing.assert_array_equal(array, expected)
    assert Checkpoint(folder, "b").load() is None
    checkpoint.delete()
    checkpoint.delete()
    assert checkpoint.load() is None


@given(hnp.arrays(st.sampled_from([np.float32, np.int64, np.uint8]), hnp.array_shapes(min_dims=0, max_side=3)))
def test_any_array_survives(tmp_path_factory: pytest.TempPathFactory, array: np.ndarray) -> None:
    checkpoint = Checkpoint(str(tmp_path_factory.mktemp("any")), "a")
    checkpoint.save([array], {})
    loaded, _ = checkpoint.load() or ([], {})
    np.testing.assert_array_equal(loaded[0], array)


@pytest.mark.parametrize("kept", [0, 10, -10])
def test_a_damaged_file_is_refused(tmp_path: Path, kept: int) -> None:
    checkpoint = Checkpoint(str(tmp_path), "a")
    checkpoint.save(ARRAYS, STATE)
    path = tmp_path / "a" / "checkpoint.npz"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match="expected a checkpoint, found a damaged file .* delete it to start anew"):
        checkpoint.load()


def test_a_failed_save_leaves_the_one_before(tmp_path: Path) -> None:
    checkpoint = Checkpoint(str(tmp_path), "a")
    checkpoint.save(ARRAYS, STATE)
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        checkpoint.save([np.array([object()])], {})
    assert (checkpoint.load() or ([], {}))[1] == STATE
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["checkpoint.npz"]
