"""Models to deploy, some with a fault, what deploy takes about them, and servers in processes of their own."""

import io
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from gcp_storage_emulator.exceptions import NotFound
from gcp_storage_emulator.handlers import objects
from PIL import Image

from components.common import validation
from components.common.fingerprint import fingerprint
from components.deploy import step
from components.deploy.trial import Limits
from components.validate.requests import record
from components.validate.server import Process, serving
from serving.client.client import Client
from serving.client.labels import label_of, read_config
from serving.server import server as embedded
from tests.components.validate.conftest import evaluate, good_evaluation, good_model, photo_records, save

__all__ = ["good_evaluation", "good_model", "photo_records"]
QUICK = Limits(load_s=60.0, watched=12)
EMPTY = "model_config_list {\n}\n"


class Candidate:
    """A SavedModel with its evaluation and its validation, in one folder."""

    def __init__(self, folder: Path):
        self.saved_model, self.evaluation, self.validation = (folder / name for name in ("model", "evaluation", "validation"))

    def deploy(self, repository: Path | str, servers: str = "", **options: Any) -> str:
        given = {"limits": QUICK, "wait_s": 60.0, **options}
        return step.run(self.saved_model, self.evaluation, self.validation, str(repository), servers=servers, **given)


def make(folder: Path, records: Path, evaluated_as: Path | None = None, **options: Any) -> Candidate:
    """A candidate that was evaluated and validated, with the answers of another model where given."""
    made = Candidate(folder)
    save(made.saved_model, folder.name, **options)
    evaluate(made.evaluation, made.saved_model, records, like=evaluated_as)
    made.validation.mkdir()
    validation.write_requests(made.validation, record(made.evaluation, [records], "test", 6))
    report = {"schema": validation.SCHEMA, "model": fingerprint(made.saved_model)}
    (made.validation / "validation.json").write_text(json.dumps(report))
    return made


@pytest.fixture(scope="session")
def good(photo_records: Path, tmp_path_factory: pytest.TempPathFactory) -> Candidate:
    return make(tmp_path_factory.mktemp("candidate") / "good", photo_records)


@pytest.fixture(scope="session")
def faulty(good: Candidate, photo_records: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Candidate]:
    """Models that were evaluated as the good one, and are not like it."""
    folder = tmp_path_factory.mktemp("faulty")
    faults: dict[str, dict[str, Any]] = {"fails": {"fails": True}, "other": {"shift": 5.0}, "slow": {"slow": True}}
    made = {name: make(folder / name, photo_records, good.saved_model, **fault) for name, fault in faults.items()}
    made["broken"] = another(good, folder / "broken")
    (made["broken"].saved_model / "saved_model.pb").write_bytes(b"no graph")
    vouch(made["broken"])
    return made


def another(like: Candidate, folder: Path) -> Candidate:
    """A model that answers as `like` does, and is another one: its files differ."""
    shutil.copytree(like.saved_model.parent, folder)
    made = Candidate(folder)
    (made.saved_model / "assets.extra" / "name").write_text(str(folder))
    vouch(made)
    return made


def vouch(candidate: Candidate) -> None:
    """Writes the model's fingerprint into its evaluation and its validation."""
    for file in (candidate.evaluation / "metrics.json", candidate.validation / "validation.json"):
        file.write_text(json.dumps({**json.loads(file.read_text()), "model": fingerprint(candidate.saved_model)}))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return tmp_path / "repository"


@dataclass
class Server:
    """An embedded server in this process; `stop` is all that it hears of its end."""

    address: str
    stop: Callable[[], None]


@pytest.fixture
def start(repository: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers of the repository's models.config, which is written, empty, where there is none."""
    with ExitStack() as stack:

        def one(config: Path | None = None, host: str = "localhost") -> Server:
            server = embedded.start(None, config=_config(repository, config), host=host, port=0, rest_port=-1)
            stop = stack.enter_context(ExitStack())
            stop.callback(server.stop, 0)
            return Server(f"localhost:{server.port}", stop.close)

        yield one


@pytest.fixture
def start_process(repository: Path) -> Iterator[Callable[..., Process]]:
    """The same, each in a process of its own."""
    with ExitStack() as stack:
        yield lambda config=None: stack.enter_context(serving([f"--config={_config(repository, config)}"], time.monotonic() + 120))


def _config(repository: Path, config: Path | None) -> Path:
    path = config or repository / "models.config"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_text(EMPTY)
    return path


def labels(repository: Path) -> dict[str, int]:
    config = read_config((repository / "models.config").read_text())
    found = {label: label_of(config, "marque", label) for label in ("stable", "canary", "previous")}
    return {label: version for label, version in found.items() if version is not None}


def loaded(repository: Path) -> list[int]:
    """The versions that the config loads."""
    config = read_config((repository / "models.config").read_text())
    return [version for entry in config.model_config_list.config for version in entry.model_version_policy.specific.versions]


def served(address: str) -> list[int]:
    """The versions that a server has available."""
    with Client(address) as client:
        return sorted(each.version for each in client.status() if each.state == "AVAILABLE")


def answering(address: str, label: str = "stable") -> int:
    """The version that answers a recorded photo through a label."""
    with Client(address, label=label) as client:
        return client.predict([GREY])[0].version


def versions(repository: Path) -> list[str]:
    """What lies beside the lock and the claims of the model."""
    return sorted(path.name for path in (repository / "marque").iterdir() if path.name not in (".lock", ".claims"))


def _grey() -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (40, 30), "gray").save(content, "JPEG")
    return content.getvalue()


GREY = _grey()


@pytest.fixture
def preconditions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Teaches the emulator, which answers one request at a time, what Cloud Storage does with `ifGenerationMatch`."""

    def checked(handler: Any, name_of: Callable[[Any], str]) -> Any:
        def handle(request: Any, response: Any, stored: Any, *rest: Any, **named: Any) -> Any:
            try:
                now = stored.get_file_obj(request.params["bucket_name"], name_of(request))["generation"]
            except NotFound:
                now = "0"
            if request.query.get("ifGenerationMatch", [now]) != [now]:
                response.status = HTTPStatus.PRECONDITION_FAILED
                return None
            return handler(request, response, stored, *rest, **named)

        return handle

    monkeypatch.setattr(
        objects, "_multipart_upload", checked(objects._multipart_upload, lambda request: request.data["meta"]["name"])
    )
