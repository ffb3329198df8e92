"""What the app's own server serves: every version in the repository, so that any two can be compared, and its labels."""

from pathlib import Path

from components.common.repository import CONFIG, GRAPH, complete_versions
from components.common.whole import whole_file
from serving.client.labels import write_config
from serving.client.messages.tf_serving_pb2 import ModelServerConfig
from serving.client.move import read


class Served:
    """Writes `path`, the model config of that server, and keeps it up to date with `<repository>/models.config`."""

    def __init__(self, repository: Path, model: str, path: Path):
        """Raises UserError: the repository's models.config is none."""
        self._repository, self._model, self._path = repository.absolute(), model, path
        self._text = ""
        self.refresh()

    def refresh(self) -> None:
        """Writes the config anew where labels or versions have changed.

        Raises:
            UserError: as at first.
        """
        text = write_config(self._config())
        if text != self._text:
            with whole_file(self._path) as partial:
                partial.write_text(text, "utf-8")
            self._text = text

    def _config(self) -> ModelServerConfig:
        versions = versions_in(self._repository, self._model)
        config = ModelServerConfig()
        entry = config.model_config_list.config.add()
        entry.name, entry.base_path, entry.model_platform = self._model, str(self._repository / self._model), "tensorflow"
        entry.model_version_policy.all.SetInParent()
        for label, version in labels_in(self._repository, self._model).items():
            if version in versions:  # a server refuses a label to nothing
                entry.version_labels[label] = version
        return config


def versions_in(repository: Path, model: str) -> list[int]:
    """The complete versions of a model in a local repository, the smallest first."""
    folder = repository / model
    return complete_versions(path.relative_to(folder).as_posix() for path in folder.glob(f"*/{GRAPH}"))


def labels_in(repository: Path, model: str) -> dict[str, int]:
    """What the labels in a local repository's models.config point to; none where there is no such file.

    Raises:
        UserError: the file is no ModelServerConfig.
    """
    path = repository / CONFIG
    if not path.is_file():
        return {}
    entries = [entry for entry in read(str(path)).model_config_list.config if entry.name == model]
    return {label: version for entry in entries for label, version in entry.version_labels.items()}
