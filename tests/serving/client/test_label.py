"""`label` and `status --config` against two servers of one models.config."""

import shutil
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from click.testing import CliRunner, Result
from tensorflow_serving.apis import get_model_status_pb2, model_service_pb2_grpc

from components.common.buckets import upload
from components.common.errors import UserError
from components.common.storage import read_bytes
from serving.__main__ import main
from serving.client import move
from serving.client.client import Client
from serving.client.labels import label_of, read_config
from serving.server import server as embedded

MakePhoto = Callable[..., bytes]


@pytest.fixture
def config(repository: Path, tmp_path: Path) -> Path:
    """A repository with versions 3, 4 and 5; the config loads 3 and 4, and stable is 3."""
    for version in (3, 4, 5):
        shutil.copytree(repository / "marque" / "2", tmp_path / "marque" / str(version))
    path = tmp_path / "models.config"
    path.write_text(f"""model_config_list {{
      config {{
        name: "marque" base_path: "{tmp_path}/marque" model_platform: "tensorflow"
        model_version_policy {{ specific {{ versions: 3 versions: 4 }} }}
        version_labels {{ key: "stable" value: 3 }}
      }}
    }}""")
    return path


@pytest.fixture
def servers(config: Path) -> Iterator[list[str]]:
    running = [embedded.start(None, config=config, host="localhost", port=0, rest_port=-1, poll_s=0.05) for _ in range(2)]
    yield [f"localhost:{server.port}" for server in running]
    for server in running:
        server.stop(0)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


def pointed_to(address: str, photo: MakePhoto, label: str = "stable") -> int:
    with Client(address, label=label) as client:
        return client.predict([photo("red")])[0].version


def test_a_label_moves_on_every_server_and_in_the_config(config: Path, servers: list[str], photo: MakePhoto) -> None:
    ended = run("label", "stable", 4, "--config", config, "--server", ",".join(servers))
    assert (ended.exit_code, ended.stdout) == (0, f"stable: version 4 on 2 server(s) and in {config}\n")
    assert [pointed_to(address, photo) for address in servers] == [4, 4]
    assert label_of(read_config(config.read_text()), "marque", "stable") == 4


def test_a_name_with_several_addresses_stands_for_all_of_them(
    config: Path, photo: MakePhoto, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = embedded.start(None, config=config, host="127.0.0.1", port=0, rest_port=-1, poll_s=0)
    second = embedded.start(None, config=config, host="127.0.0.2", port=first.port, rest_port=-1, poll_s=0)
    resolve = socket.getaddrinfo

    def headless(host: str, *arguments: Any, **options: Any) -> Any:
        if host != "tf-serving-pods":
            return resolve(host, *arguments, **options)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, first.port)) for ip in ("127.0.0.2", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", headless)
    try:
        ended = run("label", "stable", 4, "--config", config, "--server", f"tf-serving-pods:{first.port}")
        assert (ended.exit_code, ended.stdout) == (0, f"stable: version 4 on 2 server(s) and in {config}\n")
        assert [pointed_to(f"{ip}:{first.port}", photo) for ip in ("127.0.0.1", "127.0.0.2")] == [4, 4]
    finally:
        first.stop(0)
        second.stop(0)


def test_a_version_that_is_not_loaded_is_loaded_first(config: Path, servers: list[str], photo: MakePhoto) -> None:
    assert run("label", "canary", 5, "--config", config, "--server", ",".join(servers)).exit_code == 0
    assert [pointed_to(address, photo, "canary") for address in servers] == [5, 5]
    shown = run("status", "--server", servers[1], "--config", config).stdout
    rows = sorted(line.split()[1:] for line in shown.splitlines() if "AVAILABLE" in line)
    assert rows == [["3", "AVAILABLE", "stable"], ["4", "AVAILABLE"], ["5", "AVAILABLE", "canary"]]
    assert run("label", "canary", "--remove", "--config", config, "--server", ",".join(servers)).exit_code == 0
    assert label_of(read_config(config.read_text()), "marque", "canary") is None
    with pytest.raises(UserError, match="expected a label of model 'marque', received 'canary'"):
        pointed_to(servers[0], photo, "canary")


@pytest.mark.slow
def test_where_one_refuses_the_others_are_set_back(config: Path, servers: list[str], photo: MakePhoto) -> None:
    before = config.read_bytes()
    (config.parent / "marque" / "9").mkdir()
    for version, others, reason in [(4, "localhost:1", "localhost:1: no server answers"), (9, servers[1], "version 9")]:
        ended = run("label", "stable", version, "--config", config, "--server", f"{servers[0]},{others}", "--deadline", 3)
        waits = [f"{servers[0]}: waits for version 9 to be AVAILABLE, at most 3 s"] if version == 9 else []
        assert (ended.exit_code, ended.stdout, ended.stderr.splitlines()[:-1]) == (1, "", waits)
        assert reason in ended.stderr
        assert config.read_bytes() == before
        assert pointed_to(servers[0], photo) == 3
        with Client(servers[0]) as client:
            assert {entry.version for entry in client.status() if entry.state == "AVAILABLE"} == {3, 4}
    assert "all servers have the labels that the config says" in ended.stderr


def test_what_cannot_be_is_refused_before_a_server_is_asked(config: Path) -> None:
    """A server that is not there would be the first complaint otherwise."""
    for arguments, reason in [
        (["", 4], "expected a label of letters"),
        (["a b", 4], "expected a label of letters"),
        (["stable", 99], f"{config.parent}/marque: expected one of the versions there, [3, 4, 5], received 99"),
    ]:
        ended = run("label", *arguments, "--config", config, "--server", "localhost:1")
        assert (ended.exit_code, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)
        assert ended.stderr.startswith(f"marque: error: {reason}")
    config.write_text(config.read_text().replace(f"{config.parent}/marque", "/not/on/this/machine"))
    ended = run("label", "stable", 99, "--config", config, "--server", "localhost:1", "--deadline", 1)
    assert "localhost:1: no server answers there" in ended.stderr


def test_a_config_that_someone_else_changes_meanwhile_is_not_overwritten(
    config: Path, servers: list[str], photo: MakePhoto, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = config.read_text().replace('key: "stable" value: 3', 'key: "stable" value: 4')
    load = move.load

    def load_while_someone_writes(*arguments: Any) -> None:
        config.write_text(moved)
        load(*arguments)

    monkeypatch.setattr(move, "load", load_while_someone_writes)
    ended = run("label", "canary", 4, "--config", config, "--server", servers[0])
    assert (ended.exit_code, ended.stderr.count("\n")) == (1, 1)
    assert "models.config: someone else has changed it meanwhile; try again; all servers have the labels" in ended.stderr
    assert config.read_text() == moved
    assert pointed_to(servers[0], photo) == 4
    with pytest.raises(UserError, match="expected a label of model 'marque', received 'canary'"):
        pointed_to(servers[0], photo, "canary")


def test_a_config_that_cannot_be_written_leaves_the_servers_as_they_were(
    config: Path, servers: list[str], photo: MakePhoto
) -> None:
    config.with_name(".models.config.lock").mkdir()
    ended = run("label", "stable", 4, "--config", config, "--server", ",".join(servers))
    assert (ended.exit_code, ended.stderr.count("\n")) == (1, 1)
    assert [pointed_to(address, photo) for address in servers] == [3, 3]


class Refusing(model_service_pb2_grpc.ModelServiceServicer):
    """Has version 4, and takes no config; `seen` is what the other server's label pointed to when it was asked."""

    def __init__(self, look: Callable[[], int]):
        self.look, self.seen = look, list[int]()

    def GetModelStatus(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        status = get_model_status_pb2.ModelVersionStatus(version=4, state="AVAILABLE")
        return get_model_status_pb2.GetModelStatusResponse(model_version_status=[status])

    def HandleReloadConfigRequest(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self.seen.append(self.look())
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not today")


def test_a_moved_label_moves_back_where_the_next_server_refuses(config: Path, servers: list[str], photo: MakePhoto) -> None:
    before = config.read_bytes()
    refusing = Refusing(lambda: pointed_to(servers[0], photo))
    other = grpc.server(ThreadPoolExecutor(1))
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(refusing, other)
    port = other.add_insecure_port("localhost:0")
    other.start()
    ended = run("label", "stable", 4, "--config", config, "--server", f"{servers[0]},localhost:{port}")
    other.stop(0).wait()
    assert refusing.seen[0] == 4
    assert pointed_to(servers[0], photo) == 3
    assert (ended.exit_code, ended.stderr.count("\n")) == (1, 1)
    assert f"localhost:{port}: the server refused the config: not today" in ended.stderr
    assert config.read_bytes() == before


def test_a_config_in_a_bucket(config: Path, servers: list[str], gcs: str, photo: MakePhoto) -> None:
    where = f"gs://{gcs}/models.config"
    upload(config, where)
    assert run("label", "stable", 4, "--config", where, "--server", servers[0]).exit_code == 0
    assert label_of(read_config(read_bytes(where).decode()), "marque", "stable") == 4
    assert pointed_to(servers[0], photo) == 4


def test_mistakes_end_in_one_line(tmp_path: Path) -> None:
    config = tmp_path / "models.config"
    assert "no such file" in run("label", "stable", 4, "--config", config).stderr
    config.write_bytes(b"\xff")
    assert "expected a ModelServerConfig of TF Serving as text" in run("label", "stable", 4, "--config", config).stderr
    config.write_text("")
    assert "expected one of its models [], received 'marque'" in run("label", "stable", 4, "--config", config).stderr
    for server in ("", ","):
        assert "expected a server as host:port" in run("label", "stable", 4, "--config", config, "--server", server).stderr
    for arguments in (["stable"], ["stable", "4", "--remove"]):
        ended = run("label", *arguments, "--config", config)
        assert (ended.exit_code, "expected VERSION or --remove" in ended.stderr) == (2, True)
    for version, reason in [("4x", "'4x' is not a valid version number."), (str(2**63), f"{2**63} is not in the range")]:
        for arguments in (["label", "stable", version, "--config", config], ["predict", "car.jpg", "--version", version]):
            ended = run(*arguments)
            assert (ended.exit_code, reason in ended.stderr) == (2, True)
