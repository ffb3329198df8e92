"""The model config of the app's own server follows the repository's."""

import shutil
from pathlib import Path

import pytest

from components.common.errors import UserError
from components.common.repository import CONFIG
from serving.app.served import Served, labels_in, versions_in
from serving.app.sources import Sources
from serving.client.labels import read_config, with_label, write_config


def served_labels(path: Path) -> dict[str, int]:
    (entry,) = read_config(path.read_text("utf-8")).model_config_list.config
    assert entry.model_version_policy.HasField("all")
    return dict(entry.version_labels)


def test_every_version_is_served_with_the_labels_as_they_move(sources: Sources, tmp_path: Path) -> None:
    repository = tmp_path / "moved"
    shutil.copytree(sources.repository, repository)
    assert versions_in(repository, "marque") == [1, 2]
    served = Served(repository, "marque", tmp_path / "served")
    (entry,) = read_config((tmp_path / "served").read_text("utf-8")).model_config_list.config
    assert (entry.name, entry.base_path) == ("marque", str(repository / "marque"))
    assert served_labels(tmp_path / "served") == labels_in(repository, "marque") == {"stable": 1, "canary": 2}
    config = read_config((repository / CONFIG).read_text("utf-8"))
    moved = with_label(with_label(config, "marque", "stable", 2), "marque", "canary", 3)  # 3 is not there (yet)
    (repository / CONFIG).write_text(write_config(moved), "utf-8")
    served.refresh()
    assert served_labels(tmp_path / "served") == {"stable": 2}


def test_without_labels_there_are_none(sources: Sources, tmp_path: Path) -> None:
    assert labels_in(tmp_path, "marque") == labels_in(Path(sources.repository), "another") == Sources().labels() == {}
    for nonsense in (b"{ nonsense", b"\xff"):
        (tmp_path / CONFIG).write_bytes(nonsense)
        with pytest.raises(UserError, match="ModelServerConfig"):
            labels_in(tmp_path, "marque")
