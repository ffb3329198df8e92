"""Alerts and dashboard: on metrics that exist, and each alert fires when it should."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from serving.server import metrics

from .conftest import INFRA

MONITORING = INFRA / "kubernetes" / "monitoring"
OTHERS = {
    "up", "marque_model_version_available", ":tensorflow:cc:saved_model:load_attempt_count",
    "kube_deployment_status_replicas_available", "kube_pod_container_status_restarts_total", "kube_pod_status_phase",
    "kube_horizontalpodautoscaler_status_current_replicas", "kube_horizontalpodautoscaler_spec_max_replicas",
    "container_cpu_usage_seconds_total", "container_memory_working_set_bytes", "DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_DEV_FB_USED",
}  # fmt: skip
"""Of Prometheus, TF Serving's loader, kube-state-metrics, the kubelet, NVIDIA's exporter; serving.server tells all others too."""
SELECTED = re.compile(r"([:A-Za-z_][:\w]*)\{")


def rules() -> dict[str, Any]:
    return yaml.safe_load((MONITORING / "rules.yaml").read_text())["spec"]


def alerts() -> list[dict[str, Any]]:
    return [rule for group in rules()["groups"] for rule in group["rules"]]


def queries() -> list[str]:
    panels = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    return [*(rule["expr"] for rule in alerts()), *(target["expr"] for panel in panels for target in panel["targets"])]


def test_every_metric_is_one_that_somebody_tells() -> None:
    told = {value for value in vars(metrics).values() if isinstance(value, str) and value.startswith(":tensorflow:")}
    names = {name for query in queries() for name in SELECTED.findall(query)}
    asked = {name if name in told else re.sub(r"_(bucket|sum|count)$", "", name) if name not in OTHERS else name for name in names}
    assert len(asked) > 10
    assert asked - told - OTHERS == set()


def test_every_alert_names_a_chapter_of_the_runbook() -> None:
    headings = re.findall(r"^#+ (.+)$", (INFRA / "README.md").read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for alert in alerts():
        page, _, anchor = alert["annotations"]["runbook"].partition("#")
        assert page == "infra/README.md"
        assert anchor in anchors, alert["alert"]


def test_the_dashboard_is_whole() -> None:
    board = json.loads((MONITORING / "dashboard.json").read_text())
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    titles = " ".join(panel["title"] for panel in panels).lower()
    for topic in ("requests", "errors", "latency", "batch", "gpu", "versions"):
        assert topic in titles
    places = [panel["gridPos"] for panel in panels]
    cells = [(place["x"] + i, place["y"] + j) for place in places for i in range(place["w"]) for j in range(place["h"])]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def test_each_alert_fires_when_it_should(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if not promtool:
        pytest.skip("promtool (Debian's package prometheus) is not on this machine")
    (tmp_path / "rules.json").write_text(json.dumps(rules()))
    shutil.copyfile(MONITORING / "rules.test.yaml", tmp_path / "rules.test.yaml")
    run = subprocess.run([promtool, "test", "rules", "rules.test.yaml"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr


def test_no_alert_is_without_such_a_test() -> None:
    tests = yaml.safe_load((MONITORING / "rules.test.yaml").read_text())["tests"]
    [fires] = [each for each in tests if "promql_expr_test" in each]
    [expected] = fires["promql_expr_test"]
    tested = {re.findall(r'alertname="(\w+)"', sample["labels"])[0] for sample in expected["exp_samples"]}
    assert tested == {alert["alert"] for alert in alerts()}
