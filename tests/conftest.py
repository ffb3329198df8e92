"""What tests of several parts share: a Google Cloud Storage emulator, and the way to the real photos."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from gcp_storage_emulator.server import create_server

SHARED = Path(__file__).resolve().parents[1] / ".." / "shared"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("filterwarnings", "ignore:Please install grpcio-status:ImportWarning")


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
