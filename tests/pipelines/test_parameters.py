"""Parameters of a compiled pipeline: types, settings as text, presets, fingerprints of local sources."""

import inspect
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.common.errors import UserError
from components.evaluate.gate import Demands
from components.train import presets
from components.train.config import TrainConfig
from pipelines.compile import compile_training
from pipelines.parameters import collect, parse_settings, read_types, source_parameters

TYPES = {"epochs": "NUMBER_INTEGER", "dropout": "NUMBER_DOUBLE", "weights": "STRING", "sanity": "BOOLEAN"}


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pipeline") / "training.yaml"
    compile_training(path, "marque:test")
    return path


@given(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(st.characters(exclude_categories=["Cs"])))
def test_settings_keep_their_values(epochs: int, dropout: float, weights: str) -> None:
    parsed = parse_settings([f"epochs={epochs}", f"dropout={dropout!r}", f"weights={weights}", "sanity=True"], TYPES)
    assert parsed == {"epochs": epochs, "dropout": dropout, "weights": weights, "sanity": True}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("epochs", "--set: expected name=value, received 'epochs'"),
        ("epoch=3", "--set: expected one of dropout, epochs, sanity, weights, received 'epoch'"),
        ("epochs=three", "--set epochs: expected a whole number, received 'three'"),
        ("dropout=nan", "--set dropout: expected a number, received 'nan'"),
        ("sanity=yes", "--set sanity: expected true or false, received 'yes'"),
    ],
)
def test_wrong_settings_are_named(setting: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_settings([setting], TYPES)


@pytest.mark.slow
def test_ingest_defaults_are_those_of_the_step(pipeline: Path) -> None:
    import yaml

    from components.ingest.step import run

    spec = next(yaml.safe_load_all(pipeline.read_text()))["root"]["inputDefinitions"]["parameters"]
    defaults = inspect.signature(run).parameters
    for name in ("validation_share", "max_rejected_share", "sha256"):
        assert spec[name]["defaultValue"] == defaults[name].default


@pytest.mark.parametrize("name", presets.NAMES)
def test_presets_are_valid(name: str, pipeline: Path) -> None:
    preset = presets.load(name)
    assert len(preset.about) > 40
    Demands.of(preset.gate)
    TrainConfig.of(preset.train)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("backbone=VGG", "backbone: expected one of"),
        ("epochs=0", "epochs: expected 1 to"),
        ("champion=Newest", "champion: expected newest, none, a version's number or an address, received 'Newest'"),
        ("min_top1=7", "min_top1: expected a number in 0-1, received 7"),
        ("slice_floors=make", "slice_floors: expected a JSON object, received 'make'"),
        ("max_p99_ms=0", "max_p99_ms: expected a number above 0, received 0"),
        ("keep_versions=0", "keep_versions: expected at least 1, received 0"),
        ('slice_floors={"make": 2}', "slice_floors make: expected a number in 0-1, received 2"),
    ],
)
def test_what_a_step_would_refuse_is_refused_before_the_run(setting: str, message: str, pipeline: Path) -> None:
    with pytest.raises(UserError, match=message):
        collect("toy://", "models", "toy", [setting], read_types(pipeline))


def test_settings_go_over_the_preset(pipeline: Path) -> None:
    settings = [
        "epochs=3",
        "max_p99_ms=80",
        "keep_versions=2",
        "servers=a:8500,b:8500",
        "max_drop=0.5",
        'slice_floors={"make": 0.2}',
        "override=a demo",
    ]
    found = collect("toy://", "models", "toy", settings, read_types(pipeline))
    assert found["train_settings"]["epochs"] == 3
    assert found["gate_settings"] == {**presets.load("toy").gate, "max_drop": 0.5, "min_gain": 0.0, "slice_floors": {"make": 0.2}}
    assert found["validate_settings"] == {"photos": 64, "deadline_s": 300.0, "max_p99_ms": 80.0, "max_memory_mb": 4096.0}
    assert (found["override"], found["keep_versions"], found["servers"]) == ("a demo", 2, "a:8500,b:8500")


def test_links_that_lead_nowhere_are_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "broken").symlink_to(tmp_path / "nothing")
    (tmp_path / "itself").symlink_to(tmp_path / "itself")
    assert source_parameters(str(tmp_path))["source_version"]


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(UserError, match="preset: expected one of b0, b3, .*, received 'b9'"):
        presets.load("b9")


def test_what_is_no_pipeline_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_types(tmp_path / "nothing.yaml")
    for text in ("", "root: 3", "a: [", "- 1"):
        (tmp_path / "other.yaml").write_text(text)
        with pytest.raises(UserError, match="expected a pipeline written by"):
            read_types(tmp_path / "other.yaml")


def test_a_changed_local_source_has_another_version(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"one")
    first = source_parameters(str(tmp_path))
    assert first["source"] == str(tmp_path.absolute())
    assert source_parameters(str(tmp_path)) == first
    (tmp_path / "photo.jpg").write_bytes(b"other")
    assert source_parameters(str(tmp_path))["source_version"] != first["source_version"]
    assert source_parameters("toy://?classes=2") == {"source": "toy://?classes=2"}
