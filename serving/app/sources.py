"""What the app looks at: the places are given when it starts, never by the browser."""

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from components.common.errors import UserError
from serving.app.served import labels_in

VARIABLE = "MARQUE_APP"
SUMMARY = "summary.json"
MODELS = "models"


@dataclass(frozen=True)
class Sources:
    """`dataset` is a folder that ingest wrote, `evaluation` one that evaluate wrote, `repository` one with models, `server` a
    `host:port`; each is "" where there is none, and `problem` says why there is no server where one was to be. `local` says that
    only this machine reaches the app."""

    dataset: str = ""
    evaluation: str = ""
    repository: str = ""
    server: str = ""
    model: str = "marque"
    problem: str = ""
    local: bool = True

    @classmethod
    def from_environment(cls) -> Self:
        """What the launcher left for the app in its environment; nothing where there was no launcher."""
        return cls(**json.loads(os.environ.get(VARIABLE, "{}")))

    def to_environment(self) -> dict[str, str]:
        """The variable that `from_environment` reads."""
        return {VARIABLE: json.dumps(dataclasses.asdict(self))}

    def dataset_folder(self) -> Path:
        """Raises UserError: there is none."""
        return _needed(
            self.dataset,
            "no dataset to look at: run `make demo`, or start the app with --dataset FOLDER, a folder that ingest wrote",
        )

    def evaluation_folder(self) -> Path:
        """Raises UserError: there is none."""
        return _needed(
            self.evaluation,
            "no evaluation to look at: run `make demo`, or start the app with --evaluation FOLDER, a folder that evaluate wrote",
        )

    def server_address(self) -> str:
        """Raises UserError: there is none."""
        if not self.server:
            missing = "no server to ask: run `make demo` and start the app again, or start it with --server HOST:PORT"
            raise UserError(self.problem or missing)
        return self.server

    def labels(self) -> dict[str, int]:
        """What the repository's labels point to. Raises UserError: its models.config is none."""
        return labels_in(Path(self.repository), self.model) if self.repository else {}


def completed(sources: Sources, demo: Path) -> Sources:
    """`sources`, and where one is empty what lies in `demo`, the folder of `make demo`, if anything does."""
    summary = _summary(demo / SUMMARY)
    repository = demo / MODELS
    return dataclasses.replace(
        sources,
        dataset=sources.dataset or _existing(summary.get("dataset")),
        evaluation=sources.evaluation or _existing(summary.get("evaluation")),
        repository=sources.repository or (str(repository.absolute()) if repository.is_dir() else ""),
    )


def _summary(path: Path) -> dict[str, Any]:
    try:
        summary = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):  # a demo that never ended well is as good as none
        return {}
    return summary if isinstance(summary, dict) else {}


def _existing(folder: Any) -> str:
    return str(Path(folder).absolute()) if isinstance(folder, str) and folder and Path(folder).is_dir() else ""


def _needed(folder: str, sentence: str) -> Path:
    if not folder:
        raise UserError(sentence)
    return Path(folder)
