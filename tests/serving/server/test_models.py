"""Which versions are loaded and which one answers: policies, labels, polling, configs, and swaps that nobody notices."""

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from components.common.buckets import upload
from components.common.errors import UserError
from serving.server import manager, model_config
from serving.server import server as embedded
from serving.server.servable import Servable
from serving.server.versions import find_versions

Serve = Callable[..., Any]
Publish = Callable[..., Path]
WaitFor = Callable[[Callable[[], bool]], None]


def config_text(*models: str) -> str:
    return "model_config_list { " + " ".join(models) + " }"


def model_text(base_path: object, policy: str = "", labels: dict[str, int] | None = None, name: str = "m") -> str:
    shown = " ".join(f'version_labels {{ key: "{label}" value: {version} }}' for label, version in (labels or {}).items())
    policy = f"model_version_policy {{ {policy} }}" if policy else ""
    return f'config {{ name: "{name}" base_path: "{base_path}" model_platform: "tensorflow" {policy} {shown} }}'


def reload(asked: Any, text: str) -> None:
    from google.protobuf import text_format

    asked.models.HandleReloadConfigRequest(ReloadConfigRequest(config=text_format.Parse(text, ModelServerConfig())), timeout=30)


def reload_refusal(asked: Any, text: str) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        reload(asked, text)
    return caught.value.code().name, caught.value.details()


@pytest.fixture
def base(tmp_path: Path, publish: Publish) -> Path:
    """Versions 1, 2 and 3."""
    for version in (1, 2, 3):
        publish(tmp_path / "m", version)
    return tmp_path / "m"


@pytest.fixture
def config(tmp_path: Path, base: Path) -> Path:
    """Versions 1 and 2, labelled."""
    path = tmp_path / "models.config"
    path.write_text(config_text(model_text(base, "specific { versions: 1 versions: 2 }", {"stable": 1, "canary": 2})))
    return path


@pytest.mark.parametrize(
    ("policy", "served"),
    [
        ("", [3]),
        ("latest { num_versions: 2 }", [2, 3]),
        ("latest { num_versions: 0 }", [3]),
        ("all {}", [1, 2, 3]),
        ("specific { versions: 1 versions: 3 versions: 9 }", [1, 3]),
    ],
)
def test_policies(tmp_path: Path, base: Path, serve: Serve, policy: str, served: list[int]) -> None:
    (tmp_path / "models.config").write_text(config_text(model_text(base, policy)))
    asked = serve(None, config=tmp_path / "models.config")
    assert asked.states() == dict.fromkeys(served, "AVAILABLE")
    assert [status.version for status in asked.status()] == sorted(served, reverse=True)
    assert asked.version() == max(served)
    assert [asked.version(version=version) for version in served] == served
    for version in {1, 2, 3} - set(served):
        assert asked.refusal(version=version) == ("NOT_FOUND", f"Servable not found for request: Specific(m, {version})")


def test_several_models(tmp_path: Path, publish: Publish, serve: Serve) -> None:
    publish(tmp_path / "first", 1)
    publish(tmp_path / "second", 7)
    models = (model_text(tmp_path / name, name=name) for name in ("first", "second"))
    (tmp_path / "models.config").write_text(config_text(*models))
    asked = serve(None, config=tmp_path / "models.config")
    assert (asked.version(model="first"), asked.version(model="second")) == (1, 7)


def test_labels(config: Path, serve: Serve) -> None:
    asked = serve(None, config=config)
    assert (asked.version(label="stable"), asked.version(label="canary"), asked.version()) == (1, 2, 2)
    assert asked.refusal(label="other") == ("INVALID_ARGUMENT", "Unrecognized servable version label: other")


def test_a_reload_loads_and_moves_the_labels_at_once(base: Path, config: Path, serve: Serve) -> None:
    asked = serve(None, config=config)
    reload(asked, config_text(model_text(base, "specific { versions: 2 versions: 3 }", {"stable": 2, "canary": 3})))
    assert (asked.version(label="stable"), asked.version(label="canary")) == (2, 3)
    assert asked.states() == {1: "END", 2: "AVAILABLE", 3: "AVAILABLE"}
    reload(asked, config_text(model_text(base, "specific { versions: 1 }")))
    assert asked.version() == 1
    assert asked.refusal(label="stable")[0] == "INVALID_ARGUMENT"


def test_a_reload_replaces_the_models(tmp_path: Path, base: Path, config: Path, publish: Publish, serve: Serve) -> None:
    asked = serve(None, config=config)
    publish(tmp_path / "other", 5)
    reload(asked, config_text(model_text(tmp_path / "other", name="other")))
    assert asked.version(model="other") == 5
    assert asked.refusal() == ("NOT_FOUND", "Servable not found for request: Latest(m)")
    assert asked.states() == {1: "END", 2: "END"}


def test_a_reload_to_another_path_answers_from_there(tmp_path: Path, config: Path, publish: Publish, serve: Serve) -> None:
    asked = serve(None, config=config)
    publish(tmp_path / "moved", 1, answers=100)
    reload(asked, config_text(model_text(tmp_path / "moved")))
    response = asked.prediction.Predict(asked.request(), timeout=30)
    assert (response.model_spec.version.value, response.outputs["version"].int64_val[0]) == (1, 100)
    assert asked.states() == {1: "AVAILABLE", 2: "END"}


def test_a_bad_reload_leaves_everything_as_it_was(tmp_path: Path, base: Path, config: Path, serve: Serve) -> None:
    asked = serve(None, config=config)
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken" / "4").mkdir(parents=True)
    (tmp_path / "broken" / "4" / "saved_model.pb").write_bytes(b"no model")
    good = model_text(base)
    assert reload_refusal(asked, config_text(good, good)) == (
        "INVALID_ARGUMENT",
        "Illegal to list model m multiple times in config list",
    )
    assert reload_refusal(asked, config_text(model_text("relative"))) == (
        "INVALID_ARGUMENT",
        "Expected model m to have an absolute path or URI; got base_path()=relative",
    )
    assert reload_refusal(asked, good.join(["model_config_list {", "}"]).replace("tensorflow", "onnx")) == (
        "INVALID_ARGUMENT",
        "Model m requests unsupported platform onnx",
    )
    assert reload_refusal(asked, "")[1].endswith("Only ModelConfigList is currently supported")
    assert reload_refusal(asked, config_text(model_text(base, labels={"stable": 2}))) == (
        "FAILED_PRECONDITION",
        "Request to assign label to version 2 of model m, which is not currently available for inference",
    )
    assert reload_refusal(asked, config_text(model_text(tmp_path / "empty", name="new"))) == (
        "UNKNOWN",
        "1 model(s) did not become available: {{name: new}, }",
    )
    code, details = reload_refusal(asked, config_text(good, model_text(tmp_path / "broken", name="new")))
    assert code == "UNKNOWN"
    assert details.startswith("1 model(s) did not become available: {{name: new version: 4 due to error: UNKNOWN: ")
    assert reload_refusal(asked, config_text(model_text(tmp_path / "none", name="new")))[0] == "INVALID_ARGUMENT"
    assert (asked.version(label="stable"), asked.version(label="canary"), asked.version()) == (1, 2, 2)
    assert {version: state for version, state in asked.states().items() if state == "AVAILABLE"} == {
        1: "AVAILABLE",
        2: "AVAILABLE",
    }


def test_the_config_file_is_polled(base: Path, config: Path, publish: Publish, serve: Serve, wait_for: WaitFor) -> None:
    asked = serve(None, config=config)
    config.write_text("model_config_list { config {")
    config.write_text(config_text(model_text(base, "all {}", {"stable": 3})))
    wait_for(lambda: asked.states().get(3) == "AVAILABLE")
    wait_for(lambda: asked.version(label="stable") == 3)
    config.write_text(config_text(model_text(base, "all {}", {"stable": 8})))
    publish(base, 8)
    wait_for(lambda: asked.version(label="stable") == 8)
    config.write_text(config_text(model_text(base, "all {}", {"stable": 1})))
    wait_for(lambda: asked.version(label="stable") == 1)


def test_what_is_wrong_is_said_once(base: Path, config: Path, serve: Serve, wait_for: WaitFor, caplog) -> None:
    asked = serve(None, config=config)
    for text in ("model_config_list { config {", config_text(model_text(base, "all {}", {"stable": 9}))):
        config.write_text(text)
        wait_for(lambda: bool(caplog.records))
        config.write_text(config_text(model_text(base, "specific { versions: 1 }")))
        wait_for(lambda: asked.version() == 1)
        config.write_text(config_text(model_text(base, "specific { versions: 1 versions: 2 }")))
        wait_for(lambda: asked.version() == 2)
        assert len(caplog.records) == 1
        caplog.clear()


def test_a_base_path_that_goes_leaves_what_is_loaded(base: Path, config: Path, serve: Serve, wait_for: WaitFor, caplog) -> None:
    asked = serve(None, config=config)
    base.rename(base.parent / "away")
    wait_for(lambda: bool(caplog.records))
    assert (asked.version(label="stable"), asked.version()) == (1, 2)
    (base.parent / "away").rename(base)
    shutil.rmtree(base / "2")
    wait_for(lambda: asked.states() == {1: "AVAILABLE", 2: "END"})
    assert len(caplog.records) == 1


def test_versions_come_and_go_under_requests_that_never_fail(tmp_path: Path, publish: Publish, serve: Serve, wait_for) -> None:
    publish(tmp_path / "m", 1)
    asked = serve(tmp_path, "m")
    ended, answered = threading.Event(), []

    def ask() -> None:
        while not ended.is_set():
            answered.append(asked.version())

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask) for _ in range(4)]
        try:
            for version in (2, 3, 4):
                publish(tmp_path / "m", version)
                wait_for(lambda version=version: answered[-1:] == [version])
            shutil.rmtree(tmp_path / "m" / "4")
            wait_for(lambda: answered[-1] == 3)
        finally:
            ended.set()
        for one in asking:
            one.result()
    assert set(answered) == {1, 2, 3, 4}
    wait_for(lambda: asked.states() == {1: "END", 2: "END", 3: "AVAILABLE", 4: "END"})


def test_a_version_is_unloaded_when_its_last_request_is_done(tmp_path: Path, publish, serve, wait_for, monkeypatch) -> None:
    publish(tmp_path / "m", 1)
    asked = serve(tmp_path, "m")
    arrived, go_on, run = threading.Event(), threading.Event(), Servable.run

    def run_when_told(servable: Servable, *arguments: Any) -> Any:
        if servable.version == 1:
            arrived.set()
            assert go_on.wait(20)
        return run(servable, *arguments)

    monkeypatch.setattr(Servable, "run", run_when_told)
    under_way = asked.prediction.Predict.future(asked.request(), timeout=30)
    assert arrived.wait(20)
    publish(tmp_path / "m", 2)
    wait_for(lambda: asked.states() == {1: "UNLOADING", 2: "AVAILABLE"})
    assert asked.version() == 2
    go_on.set()
    assert under_way.result().outputs["version"].int64_val == [1]
    wait_for(lambda: asked.states() == {1: "END", 2: "AVAILABLE"})


def test_a_version_that_does_not_load_shows_in_the_status_alone(tmp_path: Path, publish, serve, wait_for, caplog) -> None:
    publish(tmp_path / "m", 1)
    asked = serve(tmp_path, "m")
    broken = publish(tmp_path / "m", 2) / "variables" / "variables.index"
    whole = broken.read_bytes()
    publish(tmp_path / "m", 3)
    wait_for(lambda: asked.states().get(3) == "AVAILABLE")
    caplog.clear()
    target = tmp_path / "m" / "4"
    shutil.copytree(tmp_path / "m" / "3", tmp_path / "m" / "half")
    (tmp_path / "m" / "half" / "variables" / "variables.index").write_bytes(whole[:-20])
    (tmp_path / "m" / "half").rename(target)
    wait_for(lambda: asked.states().get(4) == "END")
    newest = asked.status()[0]
    assert (newest.version, newest.status.error_code) == (4, grpc.StatusCode.UNKNOWN.value[0])
    assert "4: expected a SavedModel that loads" in newest.status.error_message
    assert asked.version() == 3
    publish(tmp_path / "m", 5)
    wait_for(lambda: asked.states().get(5) == "AVAILABLE")
    assert len([record for record in caplog.records if "version 4 does not load" in record.message]) == 1


def test_a_broken_version_is_tried_again_when_its_files_change(tmp_path: Path, publish, serve, wait_for) -> None:
    publish(tmp_path / "m", 1)
    asked = serve(tmp_path, "m")
    publish(tmp_path / "m2", 2)
    index = tmp_path / "m2" / "2" / "variables" / "variables.index"
    whole = index.read_bytes()
    index.write_bytes(whole[:-20])
    (tmp_path / "m2" / "2").rename(tmp_path / "m" / "2")
    wait_for(lambda: asked.states().get(2) == "END")
    (tmp_path / "m" / "2" / "variables" / "variables.index").write_bytes(whole)
    wait_for(lambda: asked.states().get(2) == "AVAILABLE")


@pytest.fixture
def wait_for_looks(monkeypatch: pytest.MonkeyPatch, wait_for: WaitFor) -> Callable[[], None]:
    """Waits until a server has looked into its folders a few times more."""
    looks: list[str] = []
    monkeypatch.setattr(manager, "find_versions", lambda base_path: looks.append(base_path) or find_versions(base_path))

    def wait() -> None:
        begun = len(looks)
        wait_for(lambda: len(looks) > begun + 3)

    return wait


def test_a_folder_that_is_missing_is_told_of_once_each_time(tmp_path: Path, publish, serve, wait_for_looks, caplog) -> None:
    publish(tmp_path / "m", 1)
    asked = serve(tmp_path, "m")

    def said() -> int:
        return len([record for record in caplog.records if "expected a folder of versions, found none" in record.message])

    for times in (1, 2):
        (tmp_path / "m").rename(tmp_path / "away")
        wait_for_looks()
        assert (said(), asked.version()) == (times, 1)
        (tmp_path / "away").rename(tmp_path / "m")
        wait_for_looks()


def test_a_version_with_a_link_to_nowhere_is_tried_once(tmp_path: Path, publish, serve, wait_for, wait_for_looks, caplog) -> None:
    publish(tmp_path / "m", 1)
    asked = serve(tmp_path, "m")
    broken = publish(tmp_path / "away", 2)
    for path in (broken / "variables").iterdir():
        path.unlink()
        path.symlink_to("nowhere")
    broken.rename(tmp_path / "m" / "2")
    wait_for(lambda: asked.states().get(2) == "END")
    wait_for_looks()
    assert [record.message for record in caplog.records if "in line" in record.message] == []
    assert len([record for record in caplog.records if "version 2 does not load" in record.message]) == 1


def test_a_config_that_changes_while_the_server_starts_is_taken_over(
    base: Path, tmp_path: Path, serve, wait_for, monkeypatch
) -> None:
    path = tmp_path / "models.config"
    path.write_text(config_text(model_text(base, "specific { versions: 1 }")))
    read = model_config.read_config

    def read_and_change(config: Path) -> object:
        found = read(config)
        config.write_text(config_text(model_text(base, "specific { versions: 2 }")))
        return found

    monkeypatch.setattr(embedded, "read_config", read_and_change)
    asked = serve(None, config=path)
    wait_for(lambda: asked.states() == {1: "END", 2: "AVAILABLE"})


def test_a_folder_without_its_graph_is_not_there_yet(tmp_path: Path, publish, serve, wait_for) -> None:
    publish(tmp_path / "m", 1)
    asked = serve(tmp_path, "m")
    publish(tmp_path / "m", 3)
    (tmp_path / "m" / "4").mkdir()
    wait_for(lambda: asked.states().get(3) == "AVAILABLE")
    assert 4 not in asked.states()


def test_versions_in_a_bucket(tmp_path: Path, gcs: str, publish: Publish, serve: Serve, wait_for: WaitFor) -> None:
    def send(version: int) -> None:
        folder = publish(tmp_path / "m", version)
        files = sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.name == "saved_model.pb")
        for path in files:
            upload(path, f"gs://{gcs}/models/m/{version}/{path.relative_to(folder)}")

    send(1)
    config = tmp_path / "models.config"
    config.write_text(config_text(model_text(f"gs://{gcs}/models/m")))
    asked = serve(None, config=config)
    assert asked.version() == 1
    send(2)
    wait_for(lambda: asked.states() == {1: "END", 2: "AVAILABLE"})
    assert asked.version() == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model_config_list {", "expected a model config file .*Invalid protobuf text"),
        ("", "Only ModelConfigList is currently supported"),
        (config_text(model_text("relative")), "absolute path or URI"),
        (config_text(model_text("/nowhere/at/all")), "expected a folder of versions, found none"),
    ],
)
def test_a_config_file_that_cannot_be_served(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "models.config").write_text(text)
    with pytest.raises(UserError, match=message):
        embedded.start(None, config=tmp_path / "models.config", port=0)


def test_a_label_of_a_version_that_is_not_there_yet_stops_no_start(base: Path, tmp_path: Path, publish, serve, wait_for) -> None:
    config = tmp_path / "models.config"
    config.write_text(config_text(model_text(base, "specific { versions: 1 versions: 9 }", {"stable": 1, "canary": 9})))
    asked = serve(None, config=config)
    assert asked.version(label="stable") == 1
    assert asked.refusal(label="canary") == ("INVALID_ARGUMENT", "Unrecognized servable version label: canary")
    publish(base, 9)
    wait_for(lambda: asked.states().get(9) == "AVAILABLE")
    assert (asked.version(label="stable"), asked.version(label="canary")) == (1, 9)
