"""A training's state in one file, written whole or not at all, in a folder or under gs://.

The file is NumPy's .npz: the arrays by number, and `state`, JSON in UTF-8. Nothing in it is executed when it is read.
"""

import io
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.common import buckets, storage
from components.common.errors import UserError
from components.common.whole import whole_file

NAME = "checkpoint.npz"
Arrays = list[NDArray[Any]]


class Checkpoint:
    """The checkpoint of one run: `folder/<key>/checkpoint.npz`.

    Args:
        folder: a path or a gs:// prefix.
        key: tells runs of other settings or other records apart.

    Raises:
        UserError: neither a folder nor gs://.
    """

    def __init__(self, folder: str, key: str):
        if "://" in folder and not folder.startswith("gs://"):
            raise UserError(f"checkpoints: expected a folder or gs://…, received {storage.without_secrets(folder)}")
        if "://" not in folder and Path(folder).exists() and not Path(folder).is_dir():
            raise UserError(f"checkpoints: expected a folder or gs://…, received the file {folder}")
        self._folder = f"{folder.rstrip('/')}/{key}"
        self._name = f"{self._folder}/{NAME}"

    def save(self, arrays: Sequence[NDArray[Any]], state: dict[str, Any]) -> None:
        """Replaces what was saved before.

        Raises:
            UserError: the bucket cannot be written.
        """
        if storage.is_remote(self._name):
            with tempfile.TemporaryDirectory() as scratch:
                path = Path(scratch) / NAME
                _write(path, arrays, state)
                buckets.upload(path, self._name)
            return
        path = Path(self._name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as partial:
            _write(partial, arrays, state)

    def load(self) -> tuple[Arrays, dict[str, Any]] | None:
        """What was saved last; None where nothing was.

        Raises:
            UserError: the file is damaged.
        """
        if NAME not in storage.list_names(self._folder):
            return None
        try:
            with np.load(io.BytesIO(storage.read_bytes(self._name)), allow_pickle=False) as file:
                state = json.loads(file["state"].tobytes())
                return [file[str(number)] for number in range(len(file.files) - 1)], state
        except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise UserError(
                f"{self._name}: expected a checkpoint, found a damaged file ({error}); delete it to start anew"
            ) from None

    def delete(self) -> None:
        """Deletes it; none there is fine."""
        if storage.is_remote(self._folder):
            buckets.delete_tree(self._folder)
        else:
            shutil.rmtree(self._folder, ignore_errors=True)

    def __str__(self) -> str:
        return self._name


def _write(path: Path, arrays: Sequence[NDArray[Any]], state: dict[str, Any]) -> None:
    named = {str(number): array for number, array in enumerate(arrays)}
    with path.open("wb") as handle:
        np.savez(handle, allow_pickle=False, state=np.frombuffer(json.dumps(state).encode(), np.uint8), **named)
        handle.flush()
        os.fsync(handle.fileno())
