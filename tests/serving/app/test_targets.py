"""Whom a photo can be put to."""

from serving.app.targets import targets
from serving.client.wire import VersionStatus


def test_labels_come_first_then_the_newest_then_every_loaded_version() -> None:
    status = [VersionStatus(3, "AVAILABLE", ""), VersionStatus(5, "LOADING", ""), VersionStatus(4, "AVAILABLE", "")]
    found = targets(status, {"trial": 3, "canary": 4, "stable": 3, "old": 2})
    assert [(entry.label, entry.version) for entry in found] == [
        ("stable", None), ("canary", None), ("trial", None), ("", None), ("", 4), ("", 3),
    ]  # fmt: skip
    assert [entry.text for entry in found][::3] == ["stable (version 3)", "newest (version 4)"]
    assert targets([], {"stable": 3}) == []
