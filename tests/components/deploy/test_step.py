"""Deploy, as the pipeline calls it: the next version, whole or not at all, with its card, and never of a refused model."""

import json
import multiprocessing
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from components.common import buckets, exchange, storage, validation
from components.common.errors import UserError
from components.common.evaluation import SCHEMA
from components.common.fingerprint import fingerprint
from components.deploy import lock as locks
from components.deploy.champion import find
from components.deploy.labels import Labels, State
from components.deploy.lock import LostLockError
from components.deploy.publish import publish
from components.deploy.step import run
from serving.client.labels import read_config

EXTRA = [
    "assets.extra/evaluation/metrics.json",
    "assets.extra/evaluation/predictions.parquet",
    "assets.extra/model_card.json",
    "assets.extra/model_card.md",
]


def write_model(folder: Path, content: str = "weights") -> Path:
    """A folder with the files of a SavedModel; deploy never looks into them."""
    for name in ("saved_model.pb", "variables/variables.index", "variables/variables.data", "assets.extra/classes.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{name} {content}")
    return folder


def write_evaluation(folder: Path, saved_model: Path, **changes: Any) -> Path:
    """A folder with what deploy takes from an evaluation."""
    folder.mkdir(exist_ok=True)
    for name in ("predictions.parquet", "model_card.md", "model_card.json"):
        (folder / name).write_text(f"{name} {changes}")
    metrics = {"schema": SCHEMA, "top1": 0.9, "mean_iou": 0.85, "blessed": True, "reasons": [], "model": fingerprint(saved_model)}
    (folder / "metrics.json").write_text(json.dumps({**metrics, **changes}))
    return folder


def write_validation(folder: Path, saved_model: Path) -> Path:
    """A folder with what deploy takes from a validation."""
    folder.mkdir(exist_ok=True)
    validation.write_requests(folder, [validation.Recorded("a.jpg", b"photo", "car", 0.9, 0, 0, 1, 1, 2, 2)])
    (folder / "validation.json").write_text(json.dumps({"schema": validation.SCHEMA, "model": fingerprint(saved_model)}))
    return folder


def deploy(saved_model: Path, repository: str, model: str = "marque", keep_versions: int = 5, **changes: Any) -> str:
    evaluation = write_evaluation(saved_model.parent / "evaluation", saved_model, **changes)
    passed = write_validation(saved_model.parent / "validation", saved_model)
    return run(saved_model, evaluation, passed, repository, model, keep_versions=keep_versions)


@pytest.fixture
def saved_model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "export")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return tmp_path / "repository"


def names(folder: Path) -> list[str]:
    """What lies in a folder, but for the lock."""
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock") if folder.is_dir() else []


def test_the_first_version_is_1_and_complete(saved_model: Path, repository: Path, capsys) -> None:
    uri = deploy(saved_model, str(repository))
    assert uri == str(repository / "marque" / "1")
    assert storage.list_names(uri) == sorted([*storage.list_names(str(saved_model)), *EXTRA])
    assert json.loads((Path(uri) / "assets.extra" / "evaluation" / "metrics.json").read_text())["top1"] == 0.9
    assert (Path(uri) / "saved_model.pb").read_bytes() == (saved_model / "saved_model.pb").read_bytes()
    assert names(repository / "marque") == ["1"]
    assert capsys.readouterr().out.splitlines() == [
        f"deploy: published {uri} (top1 0.900, mean_iou 0.850)",
        "deploy: stable: version 1; no servers to tell",
    ]


def test_the_next_version_follows_the_highest_integer(saved_model: Path, repository: Path) -> None:
    for name in ("2", "10", "latest", "11.bak", ".publishing-99"):
        (repository / "other" / name).mkdir(parents=True)
    assert deploy(saved_model, str(repository), "other") == str(repository / "other" / "11")


def test_the_same_model_is_not_published_twice(saved_model: Path, repository: Path, tmp_path: Path, capsys) -> None:
    first = deploy(saved_model, str(repository))
    assert deploy(saved_model, str(repository), images_per_s=7.0) == first
    assert "the newest version holds the same model, kept with its card" in capsys.readouterr().out
    other = write_model(tmp_path / "other", "other weights")
    assert deploy(other, str(repository)) == str(repository / "marque" / "2")
    assert deploy(saved_model, str(repository)) == str(repository / "marque" / "3")


def test_a_number_that_is_taken_meanwhile_is_left_alone(saved_model: Path, repository: Path, monkeypatch) -> None:
    copy = shutil.copytree

    def copy_while_another_publishes(*arguments: Any, **options: Any) -> Any:
        write_model(repository / "marque" / "1", "another's")
        return copy(*arguments, **options)

    monkeypatch.setattr(shutil, "copytree", copy_while_another_publishes)
    assert publish(saved_model, str(repository), "marque").version == 2
    assert (repository / "marque" / "1" / "saved_model.pb").read_text() == "saved_model.pb another's"


def publish_many(sources: list[Path], repository: str, start: Any, published: Any) -> None:
    start.wait(30)
    for source in sources:
        published.put(publish(source, repository, "marque").version)


def publish_from_two_processes(tmp_path: Path, repository: str) -> list[int]:
    """Each of two processes publishes five models at the same time; the numbers they got."""
    context = multiprocessing.get_context("spawn")
    start, published = context.Barrier(2), context.Queue()
    sources = [[write_model(tmp_path / f"{who}{i}", f"{who}{i}") for i in range(5)] for who in ("a", "b")]
    processes = [context.Process(target=publish_many, args=(mine, repository, start, published)) for mine in sources]
    for process in processes:
        process.start()
    versions = [published.get(timeout=60) for _ in range(10)]
    for process in processes:
        process.join(30)
        assert process.exitcode == 0
    return versions


def test_two_publishers_at_once_never_share_a_number(tmp_path: Path, repository: Path) -> None:
    assert sorted(publish_from_two_processes(tmp_path, str(repository))) == list(range(1, 11))
    assert sorted(map(int, names(repository / "marque"))) == list(range(1, 11))
    contents = {(repository / "marque" / str(version) / "saved_model.pb").read_text() for version in range(1, 11)}
    assert len(contents) == 10


def publish_and_die(saved_model: Path, repository: str) -> None:
    """Publishes, and is killed in the middle of the copy, without a chance to clean up."""
    copies: list[str] = []

    def die_at_the_third_copy(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "shutil.copyfile":
            copies.append(event)
            if len(copies) == 3:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(die_at_the_third_copy)
    publish(saved_model, repository, "marque")


def test_a_crash_in_the_middle_leaves_nothing_that_would_be_loaded(saved_model: Path, repository: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=publish_and_die, args=(saved_model, str(repository)))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    (left,) = names(repository / "marque")
    assert left.startswith(".publishing-")
    assert publish(saved_model, str(repository), "marque").version == 1


def test_a_failed_copy_leaves_nothing(saved_model: Path, repository: Path) -> None:
    (saved_model / "variables" / "broken").symlink_to(saved_model / "none")
    with pytest.raises(UserError, match=r"cannot be copied there: .*No such file"):
        publish(saved_model, str(repository), "marque")
    assert names(repository / "marque") == []


def test_a_refused_model_is_not_deployed_and_the_reasons_are_said(saved_model: Path, repository: Path) -> None:
    for blessed in (False, None, 1):
        with pytest.raises(UserError, match=r"this one was refused: Top-1 accuracy is 0\.1, too low\. Train a better one"):
            deploy(saved_model, str(repository), blessed=blessed, reasons=["Top-1 accuracy is 0.1, too low."])
    assert not repository.exists()


def test_the_evaluation_of_another_model_is_refused(saved_model: Path, tmp_path: Path, repository: Path) -> None:
    evaluation = write_evaluation(tmp_path / "evaluation", write_model(tmp_path / "other", "other weights"))
    with pytest.raises(UserError, match=r"expected the evaluation of .*export, received that of another model; run evaluate again"):
        run(saved_model, evaluation, write_validation(tmp_path / "validation", saved_model), str(repository))
    assert not repository.exists()


def test_a_model_that_was_not_validated_is_refused(saved_model: Path, tmp_path: Path, repository: Path) -> None:
    evaluation = write_evaluation(tmp_path / "evaluation", saved_model)
    with pytest.raises(UserError, match=r"expected a validation written by validate, found no validation\.json"):
        run(saved_model, evaluation, tmp_path / "none", str(repository))
    other = write_validation(tmp_path / "validation", write_model(tmp_path / "other", "other weights"))
    with pytest.raises(UserError, match=r"expected the validation of .*export, received that of another model; run validate again"):
        run(saved_model, evaluation, other, str(repository))
    assert not repository.exists()


def test_missing_and_broken_inputs_are_refused(saved_model: Path, tmp_path: Path, repository: Path) -> None:
    with pytest.raises(UserError, match=r"expected an evaluation written by evaluate, found no metrics\.json"):
        run(saved_model, tmp_path / "none", tmp_path, str(repository))
    with pytest.raises(UserError, match="keep_versions: expected at least 1, received 0"):
        deploy(saved_model, str(repository), keep_versions=0)
    with pytest.raises(UserError, match="expected schema 'marque.metrics/2', received 'marque.metrics/1'"):
        deploy(saved_model, str(repository), schema="marque.metrics/1")
    with pytest.raises(UserError, match="expected a number 'top1', received 'high'"):
        deploy(saved_model, str(repository), top1="high")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"expected a SavedModel folder, found no saved_model\.pb"):
        deploy(tmp_path / "empty", str(repository))
    with pytest.raises(UserError, match=r"expected a model name .* received '\.\./out'"):
        deploy(saved_model, str(repository), "../out")
    with pytest.raises(UserError, match="expected a local folder or gs://"):
        deploy(saved_model, "s3://bucket/models")
    with pytest.raises(UserError, match="the model cannot be copied there: "):
        deploy(saved_model, str(saved_model / "saved_model.pb"))
    assert not repository.exists()


def test_the_champion_is_the_newest_complete_version(saved_model: Path, tmp_path: Path, repository: Path, gcs: str) -> None:
    for place in (str(repository), f"gs://{gcs}/models"):
        assert find(place, "marque") == ""
        deploy(saved_model, place)
        second = deploy(write_model(tmp_path / "other", f"other weights for {place}"), place)
        assert find(place, "marque") == find(place, "marque", "2") == second
        assert find(place, "marque", "1") == second.removesuffix("2") + "1"
        assert find(place, "marque", "none") == ""
        assert find(place, "marque", "gs://elsewhere/marque/3") == "gs://elsewhere/marque/3"
        with pytest.raises(
            UserError, match=r"champion: expected newest, none, an address, or a version in .*marque \(1, 2\), received 3"
        ):
            find(place, "marque", "3")
    for version in ("9", "10"):
        write_model(repository / "marque" / version)
    (repository / "marque" / "11").mkdir()
    assert find(str(repository), "marque").endswith("/2")  # what stable points to
    (repository / "models.config").unlink()
    assert find(str(repository), "marque").endswith("/10")
    for slip in ("", "Newest"):
        with pytest.raises(UserError, match="champion: expected newest, none"):
            find(str(repository), "marque", slip)


def test_a_fingerprint_leaves_out_files_and_folders_by_their_place(saved_model: Path) -> None:
    all_of_it = fingerprint(saved_model)
    deploy(saved_model, str(saved_model.parent / "repository"))
    published = saved_model.parent / "repository" / "marque" / "1"
    assert fingerprint(published) != all_of_it
    assert fingerprint(published, without=[*EXTRA[2:], "assets.extra/evaluation"]) == all_of_it
    (published / "evaluation").mkdir()
    (published / "evaluation" / "other").write_text("not in assets.extra")
    assert fingerprint(published, without=[*EXTRA[2:], "assets.extra/evaluation"]) != all_of_it


def test_a_model_that_cannot_be_copied_ends_in_one_line(saved_model: Path, repository: Path) -> None:
    evaluation = write_evaluation(saved_model.parent / "evaluation", saved_model)
    passed = write_validation(saved_model.parent / "validation", saved_model)
    (saved_model / "variables" / "broken").symlink_to(saved_model / "none")
    with pytest.raises(UserError, match=r"export: the model cannot be copied: .*No such file"):
        run(saved_model, evaluation, passed, str(repository))
    assert names(repository / "marque") == []


def test_a_bucket_gets_whole_versions(saved_model: Path, tmp_path: Path, gcs: str) -> None:
    repository = f"gs://{gcs}/models/"
    first = deploy(saved_model, repository)
    assert first == f"gs://{gcs}/models/marque/1"
    assert storage.list_names(first) == sorted([*storage.list_names(str(saved_model)), *EXTRA])
    assert storage.read_bytes(f"{first}/saved_model.pb") == (saved_model / "saved_model.pb").read_bytes()
    assert deploy(saved_model, repository) == first
    other = write_model(tmp_path / "other", "other weights")
    assert deploy(other, repository) == f"gs://{gcs}/models/marque/2"


def test_a_bucket_skips_numbers_that_someone_copied_or_claimed(saved_model: Path, tmp_path: Path, gcs: str) -> None:
    buckets.upload(saved_model / "saved_model.pb", f"gs://{gcs}/marque/7/saved_model.pb")
    buckets.upload(saved_model / "saved_model.pb", f"gs://{gcs}/marque/.claims/8")
    assert publish(saved_model, f"gs://{gcs}", "marque").version == 9


def test_a_failed_upload_leaves_no_version_and_its_graph_comes_last(saved_model: Path, gcs: str, monkeypatch) -> None:
    upload, uploaded = buckets.upload, []

    def break_off_at_the_graph(path: Path, uri: str, **options: Any) -> bool:
        if uri.endswith("saved_model.pb"):
            uploaded.extend(storage.list_names(f"gs://{gcs}/marque/1"))
            raise UserError("the network is gone")
        return upload(path, uri, **options)

    with monkeypatch.context() as broken:
        broken.setattr(buckets, "upload", break_off_at_the_graph)
        with pytest.raises(UserError, match="the network is gone"):
            publish(saved_model, f"gs://{gcs}", "marque")
    assert len(uploaded) == 3
    assert storage.list_names(f"gs://{gcs}/marque") == [".claims/1"]
    assert publish(saved_model, f"gs://{gcs}", "marque").version == 2


def test_a_bucket_gets_no_whole_version_from_who_has_lost_the_lock(saved_model: Path, gcs: str) -> None:
    def lost() -> None:
        assert len(storage.list_names(f"gs://{gcs}/marque/1")) == 3
        raise LostLockError("another deploy has taken over")

    with pytest.raises(LostLockError):
        publish(saved_model, f"gs://{gcs}", "marque", lost)
    assert storage.list_names(f"gs://{gcs}/marque") == [".claims/1"]


def test_a_deploy_that_lost_its_lock_while_it_copied_publishes_nothing(
    saved_model: Path, gcs: str, preconditions: None, monkeypatch
) -> None:
    monkeypatch.setattr(locks, "LEASE_S", 0.1)
    upload, uri = buckets.upload, f"gs://{gcs}/marque/.lock"

    def take_over(path: Path, to: str, **options: Any) -> bool:
        if to.endswith("classes.json"):
            while not exchange.write(uri, b"another's", exchange.read(uri)):
                pass
            time.sleep(0.5)
        return upload(path, to, **options)

    monkeypatch.setattr(buckets, "upload", take_over)
    with pytest.raises(LostLockError, match="another deploy has taken over"):
        deploy(saved_model, f"gs://{gcs}")
    assert storage.list_names(f"gs://{gcs}/marque") == [".claims/1", ".lock"]


@pytest.mark.parametrize("policy", ["", "model_version_policy { latest {} }"])
def test_an_entry_of_the_users_stays_as_it_is_but_for_its_versions(saved_model: Path, repository: Path, policy: str) -> None:
    entry = f'name: "marque" base_path: "/models/marque" model_platform: "tensorflow" {policy} logging_config {{}}'
    repository.mkdir()
    (repository / "models.config").write_text(f"model_config_list {{ config {{ {entry} }} }}")
    deploy(saved_model, str(repository))
    text = (repository / "models.config").read_text()
    assert text.count("/models/marque") == text.count("logging_config") == text.count("specific") == 1
    labels = Labels(str(repository / "models.config"), "marque", str(repository / "marque"))
    labels.move(State())
    assert "marque" not in (repository / "models.config").read_text()
    again = Labels(str(repository / "models.config"), "marque", str(repository / "marque"))
    again.move(again.state.moved(stable=1))
    (written,) = read_config((repository / "models.config").read_text()).model_config_list.config
    assert (written.base_path, written.HasField("logging_config")) == ("/models/marque", True)
    assert (list(written.model_version_policy.specific.versions), dict(written.version_labels)) == ([1], {"stable": 1})


@pytest.mark.slow
def test_a_bucket_never_gives_two_publishers_one_number(tmp_path: Path, gcs: str, preconditions: None) -> None:
    versions = publish_from_two_processes(tmp_path, f"gs://{gcs}/models")
    assert len(set(versions)) == 10
    graphs = {storage.read_bytes(f"gs://{gcs}/models/marque/{version}/saved_model.pb") for version in versions}
    assert len(graphs) == 10


def test_a_bucket_that_is_not_there(saved_model: Path, gcs: str) -> None:
    with pytest.raises(UserError, match="no such bucket"):
        publish(saved_model, f"gs://{gcs}-none", "marque")
