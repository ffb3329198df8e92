"""The monitoring pipeline: its graph, and runs by kfp.local that raise the alarm, or do not."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from components.common.errors import UserError
from pipelines.__main__ import main
from pipelines.compile import compile_monitoring
from pipelines.run import run_pipeline
from tests.components.monitor.conftest import answers, training_records, version, write_log

GOLDEN = Path(__file__).with_name("monitoring.golden.yaml")
__all__ = ["training_records", "version"]  # fixtures of the step's own tests


def compiled(path: Path) -> list[dict[str, Any]]:
    compile_monitoring(path, "marque:golden")
    documents = list(yaml.safe_load_all(path.read_text()))
    for executor in documents[0]["deploymentSpec"]["executors"].values():
        executor["container"]["command"] = executor["container"]["command"][:-1]  # the steps' source code
    return documents


def test_the_graph_is_the_golden_one(tmp_path: Path) -> None:
    documents = compiled(tmp_path / "monitoring.yaml")
    assert documents == list(yaml.safe_load_all(GOLDEN.read_text())), (
        "the graph has changed; if it was meant to, write the golden file anew with `python tests/pipelines/test_monitoring.py`"
    )


def test_the_command_writes_the_yaml(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["compile", "monitoring", f"--output={tmp_path / 'x.yaml'}", "--image=marque:1"])
    assert result.exit_code == 0, result.output
    assert "marque-monitoring" in (tmp_path / "x.yaml").read_text()


@pytest.mark.slow
def test_the_alarm_is_raised_where_something_drifts(version: Path, training_records: list[Path], tmp_path: Path) -> None:
    pipeline, log = tmp_path / "monitoring.yaml", tmp_path / "logs" / "marque" / "20261101T000000Z-1-1.tfrecord"
    compile_monitoring(pipeline, "marque:test")
    given = {"logs": str(tmp_path / "logs"), "model": str(version), "records": [str(folder) for folder in training_records]}
    write_log(log, answers(30, 210))
    outputs, progress, _ = run_pipeline(pipeline, given, tmp_path / "root")
    assert outputs["drifted"] is False

    write_log(log, answers(31, 210, darker=0.4))  # under the same address, and not taken from kfp's cache
    with pytest.raises(UserError, match=r"marque/3: Brightness has drifted: PSI .* Sharpness has drifted") as caught:
        run_pipeline(pipeline, given, tmp_path / "root")
    assert "\n" not in str(caught.value)
    outputs, progress, _ = run_pipeline(pipeline, {**given, "alarm": False}, tmp_path / "root")
    assert (outputs["drifted"], progress.reused) == (True, [])
    assert json.loads((Path(outputs["drift"].path) / "drift.json").read_text())["verdict"] == "drift"


if __name__ == "__main__":
    scratch = GOLDEN.with_suffix(".partial")
    with contextlib.ExitStack() as stack:
        stack.callback(scratch.unlink)
        GOLDEN.write_text(yaml.safe_dump_all(compiled(scratch)))
