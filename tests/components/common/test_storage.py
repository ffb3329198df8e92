"""Storage against a real emulator and a real HTTP server on loopback."""

import functools
import hashlib
import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.common import buckets, storage
from components.common.errors import UserError

LIMIT = 1 << 20


class _Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path.startswith("/forbidden"):
            self.send_error(403)
        elif self.path.startswith("/endless"):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"x" * 4096)
        elif self.path.startswith("/broken"):
            self.send_response(200)
            self.send_header("Content-Length", "4096")
            self.end_headers()
            self.wfile.write(b"x" * 100)
        elif self.path.startswith("/elsewhere"):
            self.send_response(302)
            self.send_header("Location", "/photos.tgz")
            self.end_headers()
        else:
            super().do_GET()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """The address of a web server that serves `tmp_path/web`."""
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "photos.tgz").write_bytes(b"\x1f\x8bphotos")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def _write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _left_over(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*")) if folder.exists() else []


@pytest.mark.parametrize(
    ("uri", "expected"),
    [("gs://b/o", True), ("http://h/f", True), ("https://h/f", True), ("photos", False), ("/gs://", False), ("toy://?", False)],
)
def test_is_remote(uri: str, expected: bool) -> None:
    assert storage.is_remote(uri) is expected


def test_secrets_of_an_address_are_not_shown() -> None:
    assert storage.without_secrets("https://me:secret@host:8/a/b.tgz?signature=secret#x") == "https://host:8/a/b.tgz"
    assert storage.without_secrets("gs://bucket/what?") == "gs://bucket/what?"


@pytest.mark.parametrize("name", ["../a", "a/../../b", "/etc/passwd", "", "a\\b", "a\0b", ".."])
def test_names_that_leave_their_folder_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="inside its folder"):
        storage.safe_path(tmp_path, name)


def test_a_local_file_stays_where_it_is(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.bin", b"content")
    digest = hashlib.sha256(b"content").hexdigest()
    assert storage.fetch(str(path), tmp_path / "into", max_bytes=LIMIT, sha256=digest.upper()) == path
    assert not (tmp_path / "into").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"max_bytes": 3}, "at most 3 bytes, received 7"), ({"max_bytes": LIMIT, "sha256": "0" * 64}, "expected sha256 000")],
)
def test_a_local_file_is_checked(settings: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        storage.fetch(str(_write(tmp_path / "a.bin", b"content")), tmp_path, **settings)


def test_a_missing_local_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        storage.fetch(str(tmp_path / "a.bin"), tmp_path, max_bytes=LIMIT)


@pytest.mark.parametrize("path", ["/photos.tgz?token=secret", "/elsewhere/photos.tgz"])
def test_http_brings_the_bytes(path: str, web: str, tmp_path: Path) -> None:
    fetched = storage.fetch(web + path, tmp_path / "into", max_bytes=LIMIT, sha256=hashlib.sha256(b"\x1f\x8bphotos").hexdigest())
    assert fetched == tmp_path / "into" / "photos.tgz"
    assert fetched.read_bytes() == b"\x1f\x8bphotos"
    assert _left_over(tmp_path / "into") == ["photos.tgz"]


@pytest.mark.parametrize(
    ("path", "settings", "message"),
    [
        ("/nothing.tgz", {}, "expected status 200, received 404"),
        ("/forbidden.tgz", {}, "received 403"),
        ("/photos.tgz", {"max_bytes": 5}, "at most 5 bytes, received 8"),
        ("/endless.tgz", {"max_bytes": 1000}, "at most 1000 bytes"),
        ("/broken.tgz", {}, "broke off"),
        ("/photos.tgz", {"sha256": "ab" * 32}, "expected sha256 abab"),
    ],
)
def test_http_leaves_nothing_when_it_fails(path: str, settings: dict, message: str, web: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        storage.fetch(web + path, tmp_path / "into", **{"max_bytes": LIMIT, **settings})
    assert _left_over(tmp_path / "into") == []


def test_http_without_a_server_keeps_the_secret(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be reached") as caught:
        storage.fetch("http://me:secret@127.0.0.1:9/a.tgz?key=secret", tmp_path, max_bytes=LIMIT)
    assert "secret" not in str(caught.value)


def test_gs_round_trip(gcs: str, tmp_path: Path) -> None:
    path = _write(tmp_path / "a.bin", os.urandom(300_000))
    assert buckets.upload(path, f"gs://{gcs}/deep/a.bin")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    fetched = storage.fetch(f"gs://{gcs}/deep/a.bin", tmp_path / "into", max_bytes=LIMIT, sha256=digest)
    assert fetched == tmp_path / "into" / "a.bin"
    assert fetched.read_bytes() == path.read_bytes() == storage.read_bytes(f"gs://{gcs}/deep/a.bin")


def test_gs_upload_replaces_unless_told_otherwise(gcs: str, tmp_path: Path) -> None:
    uri = f"gs://{gcs}/claim"
    assert buckets.upload(_write(tmp_path / "a", b"first"), uri, if_absent=True)
    assert not buckets.upload(_write(tmp_path / "b", b"second"), uri, if_absent=True)
    assert storage.read_bytes(uri) == b"first"
    assert buckets.upload(tmp_path / "b", uri)
    assert storage.read_bytes(uri) == b"second"


def test_gs_tree_comes_whole_and_goes_whole(gcs: str, tmp_path: Path) -> None:
    for name in ("set/a.txt", "set/deep/b.txt", "set-aside/c.txt"):
        buckets.upload(_write(tmp_path / "file", name.encode()), f"gs://{gcs}/{name}")
    with buckets.connect(gcs) as client:
        client.bucket(gcs).blob("set/folder/").upload_from_string(b"")
    assert storage.list_names(f"gs://{gcs}/set") == storage.list_names(f"gs://{gcs}/set/") == ["a.txt", "deep/b.txt"]
    into = storage.fetch_tree(f"gs://{gcs}/set", tmp_path / "into", max_bytes=LIMIT)
    assert storage.list_names(str(into)) == ["a.txt", "deep/b.txt"]
    assert (into / "deep" / "b.txt").read_text() == "set/deep/b.txt"
    buckets.delete_tree(f"gs://{gcs}/set")
    assert storage.list_names(f"gs://{gcs}") == ["set-aside/c.txt"]
    with buckets.connect(gcs) as client:
        assert [blob.name for blob in client.list_blobs(gcs)] == ["set-aside/c.txt"]


def test_gs_tree_is_limited_and_stays_inside(gcs: str, tmp_path: Path) -> None:
    buckets.upload(_write(tmp_path / "file", b"x" * 100), f"gs://{gcs}/set/a")
    with pytest.raises(UserError, match="at most 99 bytes, received 100"):
        storage.fetch_tree(f"gs://{gcs}/set", tmp_path / "into", max_bytes=99)
    buckets.upload(tmp_path / "file", f"gs://{gcs}/set//evil")
    with pytest.raises(UserError, match="inside its folder"):
        storage.fetch_tree(f"gs://{gcs}/set", tmp_path / "into", max_bytes=LIMIT)
    assert not (tmp_path / "into").exists()
    assert not list(tmp_path.rglob("*evil"))


@pytest.mark.parametrize("name", ["absent/a.tgz", ""])
def test_gs_without_the_bucket_or_object(name: str, gcs: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such object|part after the bucket"):
        storage.fetch(f"gs://{gcs}/{name}", tmp_path, max_bytes=LIMIT)
    with pytest.raises(UserError, match=r"no such bucket or object|part after the bucket"):
        storage.read_bytes(f"gs://{gcs}/{name}")
    with pytest.raises(UserError, match="no such bucket"):
        storage.fetch_tree("gs://no-such-bucket/prefix", tmp_path / "into", max_bytes=LIMIT)
    with pytest.raises(UserError, match="found none"):
        storage.fetch_tree(f"gs://{gcs}/{name}", tmp_path / "into", max_bytes=LIMIT)


def test_gs_too_large_or_another_file(gcs: str, tmp_path: Path) -> None:
    buckets.upload(_write(tmp_path / "file", b"content"), f"gs://{gcs}/a")
    with pytest.raises(UserError, match="at most 6 bytes"):
        storage.fetch(f"gs://{gcs}/a", tmp_path / "into", max_bytes=6)
    with pytest.raises(UserError, match="expected sha256"):
        storage.fetch(f"gs://{gcs}/a", tmp_path / "into", max_bytes=LIMIT, sha256="0" * 64)
    assert _left_over(tmp_path / "into") == []


@pytest.mark.parametrize("uri", ["gs://bucket", "gs://bucket/", "gs://", "/local"])
def test_a_whole_bucket_is_never_deleted(uri: str) -> None:
    with pytest.raises(UserError, match="expected gs://bucket/object"):
        buckets.delete_tree(uri)


def test_gs_without_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "RETRY_DEADLINE_S", 0.5)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    with pytest.raises(UserError, match="cannot be reached"):
        storage.read_bytes("gs://bucket/object")


def test_gs_without_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "absent.json"))
    with pytest.raises(UserError, match="no Google credentials"):
        storage.read_bytes("gs://bucket/object")


def test_read_bytes_of_a_local_file(tmp_path: Path) -> None:
    assert storage.read_bytes(str(_write(tmp_path / "a", b"content"))) == b"content"
    with pytest.raises(UserError, match="no such file"):
        storage.read_bytes(str(tmp_path / "b"))
