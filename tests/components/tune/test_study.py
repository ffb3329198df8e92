"""The shared study without any training: what counts, what a killed worker left, where it may lie."""

from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState

from components.common.errors import UserError
from components.tune.study import create, fail_broken_off, load, sample, study_name, taken

SPACE = {"dropout": FloatDistribution(0.0, 0.5)}


def begin(study: optuna.Study, worker: int) -> optuna.Trial:
    trial = study.ask(SPACE)
    trial.set_user_attr("worker", worker)
    return trial


@pytest.fixture(params=["journal", "database"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "deep" / "study.journal") if request.param == "journal" else f"sqlite:///{tmp_path / 'study.db'}"


def test_every_worker_sees_the_same_trials_and_broken_ones_do_not_count(address: str) -> None:
    first, second = create(address, "one", {"trial_epochs": 3}), create(address, "one", {"trial_epochs": 3})
    first.tell(begin(first, 0), 0.5)
    second.tell(begin(second, 1), state=TrialState.PRUNED)
    second.tell(begin(second, 1), state=TrialState.FAIL)
    begin(first, 0)
    assert taken(first) == taken(second) == 3
    assert [trial.number for trial in load(address, "one").trials] == [0, 1, 2, 3]
    assert load(address).user_attrs["trial_epochs"] == 3


def test_a_worker_that_begins_again_fails_what_it_left_and_nothing_else(address: str) -> None:
    study = create(address, "one", {})
    for worker in (0, 1, 2):
        begin(study, worker)
    fail_broken_off(study, worker=0, workers=2)
    assert [trial.state for trial in study.trials] == [TrialState.FAIL, TrialState.RUNNING, TrialState.FAIL]
    assert taken(study) == 1


def test_a_worker_that_begins_again_draws_anew(tmp_path: Path) -> None:
    drawn = []
    for worker in (0, 0, 1):
        study = create(str(tmp_path / "study"), "one", {})
        sample(study, seed=0, worker=worker, startup_trials=9, epochs=5)
        drawn.append(begin(study, worker).params["dropout"])
    assert len(set(drawn)) == 3


def test_draws_follow_from_the_seed(tmp_path: Path) -> None:
    drawn = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        study = create(str(tmp_path / name), "one", {})
        sample(study, seed=seed, worker=0, startup_trials=9, epochs=5)
        drawn.append([begin(study, 0).params["dropout"] for _ in range(3)])
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize(("epochs", "pruned_at"), [(3, 1), (10, 2), (20, 4)])
def test_nothing_is_pruned_before_a_fifth_of_the_epochs_nor_before_enough_are_complete(
    tmp_path: Path, epochs: int, pruned_at: int
) -> None:
    study = create(str(tmp_path / "study"), "one", {})
    sample(study, seed=0, worker=0, startup_trials=2, epochs=epochs)

    def ended(score: float) -> int:
        trial = begin(study, 0)
        for epoch in range(1, epochs + 1):
            trial.report(score, epoch)
            if trial.should_prune():
                study.tell(trial, state=TrialState.PRUNED)
                return epoch
        study.tell(trial, score)
        return 0

    assert [ended(0.5), ended(0.1), ended(0.2), ended(0.6)] == [0, 0, pruned_at, 0]


def test_a_study_answers_one_question() -> None:
    question = ["records", {"learning_rate": 0.1}]
    assert study_name(question) == study_name(["records", {"learning_rate": 0.1}])
    assert study_name(question) != study_name(["records", {"learning_rate": 0.2}])


def test_one_of_several_studies_is_asked_for_by_name(tmp_path: Path) -> None:
    address = str(tmp_path / "study")
    create(address, "one", {})
    create(address, "two", {})
    with pytest.raises(UserError, match="study: expected one study in .*, found one, two"):
        load(address)
    with pytest.raises(UserError, match="study: expected the study three in .*, found one, two"):
        load(address, "three")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("", "study: expected a file on a volume"),
        ("gs://bucket/study", "study: expected a file on a volume that every worker sees, .* received 'gs://bucket/study'"),
        ("nosuchdatabase://host/x", "study: nosuchdatabase://host/x: "),
        ("sqlite:////dev/null/study.db", "study: sqlite:////dev/null/study.db: expected a database that can be reached"),
    ],
)
def test_where_no_study_can_lie_is_refused(address: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        create(address, "one", {})


def test_a_password_is_not_repeated() -> None:
    with pytest.raises(UserError) as caught:
        create("nosuchdatabase://user:secret@host/x", "one", {})
    assert "secret" not in str(caught.value)


def test_a_file_of_something_else_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("three words here\nand more\n")
    (tmp_path / "table.json").write_text('{"a": 1}\n{"b": 2}\n')
    for name in ("notes.txt", "table.json"):
        before = (tmp_path / name).read_text()
        with pytest.raises(UserError, match="expected an Optuna journal, found something else"):
            create(str(tmp_path / name), "one", {})
        assert (tmp_path / name).read_text() == before


def test_a_study_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing.journal: no such file"):
        load(str(tmp_path / "nothing.journal"))
    assert not (tmp_path / "nothing.journal").exists()
