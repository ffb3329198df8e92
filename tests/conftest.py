"""What tests of several parts share: a storage emulator, the way to the real photos, and a tiny toy set taken through each step."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from gcp_storage_emulator.server import create_server
from hypothesis import settings

SHARED = Path(__file__).resolve().parents[1] / ".." / "shared"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("filterwarnings", "ignore:Please install grpcio-status:ImportWarning")
    # The same examples every time, however busy the machine.
    settings.register_profile("repeatable", deadline=None, derandomize=True)
    settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def gcs_address() -> Iterator[str]:
    """The address of an emulator that lives as long as the test session."""
    server = create_server("localhost", 0, in_memory=True)
    server.start()
    yield f"http://localhost:{server._api._httpd.server_port}"
    server.stop()


@pytest.fixture
def gcs(gcs_address: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a fresh bucket in the emulator, which this process and its children take for Google Cloud Storage."""
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_address)
    bucket = f"bucket-{uuid.uuid4().hex[:12]}"
    client = storage.Client(project="emulator", credentials=AnonymousCredentials())
    client.create_bucket(bucket)
    client.close()
    return bucket


@pytest.fixture
def stanford_mini() -> Path:
    """The folder of the real eight-class set; skips where it is absent."""
    folder = SHARED / "data" / "stanford-cars-128-mini"
    if not folder.is_dir():
        pytest.skip("the real photos are not on this machine")
    return folder


TOY = "toy://?classes=3&per_class=12&seed=1"


@pytest.fixture(scope="session")
def toy_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """36 drawn cars of three classes, ingested."""
    from components.ingest.step import run

    folder = tmp_path_factory.mktemp("toy") / "dataset"
    run(TOY, folder)
    return folder


@pytest.fixture(scope="session")
def toy_records(toy_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The toy set as records, written by two tasks."""
    from components.shard.step import run

    folders = [tmp_path_factory.mktemp("records") / f"part{task}" for task in range(2)]
    for task, folder in enumerate(folders):
        run(toy_dataset, folder, task=task, tasks=2, shard_bytes=30_000)
    return folders


@pytest.fixture(scope="session")
def toy_model(toy_records: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model trained on the toy records for two short epochs."""
    from components.train.config import TrainConfig
    from components.train.step import run

    folder = tmp_path_factory.mktemp("train") / "model"
    config = TrainConfig(
        backbone="MobileNetV2-0.35", weights="none", batchnorm="trained", image_px=32, epochs=2, batch=8, augment="none"
    )
    run(toy_records, folder, config)
    return folder
