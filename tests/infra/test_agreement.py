"""What several parts say of the same thing is the same: config, labels, warm-up, ports, paths, names, versions."""

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kfp
import pytest
import yaml
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from components.common.repository import CONFIG, STABLE
from components.deploy.labels import Labels
from components.deploy.places import config_of, root_of
from components.export import step as export
from pipelines.scheduling import GPU, SPOT
from pipelines.training import MODEL_NAME
from serving.client.client import Client
from serving.server import metrics
from serving.server.commands import serve

from .conftest import INFRA, Objects, generated, named

ROOT = INFRA.parent


def options() -> dict[str, Any]:
    """The defaults of `python -m serving serve`."""
    return {option.name or "": option.default for option in serve.params}


@pytest.fixture
def pod(objects: Objects) -> dict[str, Any]:
    return named(objects, "Deployment", "tf-serving")["spec"]["template"]["spec"]


@pytest.fixture
def flags(pod: dict[str, Any]) -> dict[str, str]:
    [server] = pod["containers"]
    return dict(argument.removeprefix("--").split("=", 1) for argument in server["args"])


def test_ports_and_their_names(objects: Objects, pod: dict[str, Any], flags: dict[str, str]) -> None:
    ports = {"grpc": options()["port"], "rest": options()["rest_port"]}
    assert ports == {"grpc": 8500, "rest": 8501}
    assert {port["name"]: port["containerPort"] for port in pod["containers"][0]["ports"]} == ports
    assert {"grpc": int(flags["port"]), "rest": int(flags["rest_api_port"])} == ports
    service = named(objects, "Service", "tf-serving")["spec"]
    assert {port["name"]: port["port"] for port in service["ports"]} == ports
    assert all(port["targetPort"] == port["name"] for port in service["ports"])
    admitted = {port["port"] for rule in named(objects, "NetworkPolicy", "tf-serving")["spec"]["ingress"] for port in rule["ports"]}
    assert admitted == set(ports)


def test_servers_read_the_config_that_deploy_writes(objects: Objects, flags: dict[str, str], tmp_path: Path) -> None:
    repository = generated(objects, "model-repository")["MODEL_REPOSITORY"]
    assert flags["model_config_file"].replace("$(MODEL_REPOSITORY)", repository) == config_of(repository)
    assert config_of(repository) == f"{repository}/{CONFIG}"
    assert flags["allow_version_labels_for_unavailable_models"] == "true"
    labels = Labels(config_of(str(tmp_path)), MODEL_NAME, root_of(str(tmp_path), MODEL_NAME))
    labels.move(labels.state.moved(**{STABLE: 1}))
    written = text_format.Parse((tmp_path / CONFIG).read_text(), model_server_config_pb2.ModelServerConfig())
    [model] = written.model_config_list.config
    assert (model.name, model.base_path, model.model_platform) == (MODEL_NAME, f"{tmp_path}/{MODEL_NAME}", "tensorflow")
    assert dict(model.version_labels) == {STABLE: 1}
    assert list(model.model_version_policy.specific.versions) == [1]


def test_the_model_has_one_name(objects: Objects, pod: dict[str, Any]) -> None:
    name = inspect.signature(Client).parameters["model"].default
    assert name == MODEL_NAME == options()["model"] == inspect.signature(export.run).parameters["model_name"].default
    server = pod["containers"][0]
    assert server["readinessProbe"]["httpGet"] == {"path": f"/v1/models/{name}/metadata", "port": "rest"}
    app = named(objects, "Deployment", "marque-app")["spec"]["template"]["spec"]["containers"][0]["args"]
    assert f"--model={name}" in app
    assert "--server=tf-serving:8500" in app


def test_metrics_are_where_they_are_scraped_and_probed(objects: Objects, pod: dict[str, Any], flags: dict[str, str]) -> None:
    config = generated(objects, "tf-serving")
    assert flags["monitoring_config_file"] == "/etc/tf-serving/monitoring.config"
    assert re.fullmatch(
        rf'prometheus_config {{\s+enable: true\s+path: "{re.escape(metrics.PATH)}"\s+}}\s*', config["monitoring.config"]
    )
    for probe in ("startupProbe", "livenessProbe"):
        assert pod["containers"][0][probe]["httpGet"] == {"path": metrics.PATH, "port": "rest"}
    for monitor in (each for each in objects if each["kind"] == "ServiceMonitor"):
        [endpoint] = monitor["spec"]["endpoints"]
        assert (endpoint["path"], endpoint["port"]) == (metrics.PATH, "rest")
        labels = named(objects, "Service", "tf-serving")["metadata"]["labels"]
        assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_batches_are_as_large_and_warm_up_fits_in_one(objects: Objects, flags: dict[str, str]) -> None:
    text = generated(objects, "tf-serving")["batching.config"]
    values = {name: int(value) for name, value in re.findall(r"^(\w+) \{ value: (\d+) \}$", text, re.MULTILINE)}
    assert flags["enable_batching"] == "true"
    assert values["max_batch_size"] == options()["max_batch"]
    assert max(export.WARM_UP_BATCHES) <= values["max_batch_size"]
    assert "allowed_batch_sizes" not in values, "batches are not padded"


def test_a_volume_of_models_is_where_config_and_pipelines_look(render: Callable[[str], Objects]) -> None:
    for overlay in ("kind", "on-prem"):
        objects = render(overlay)
        repository = generated(objects, "model-repository")["MODEL_REPOSITORY"]
        for each in ("tf-serving", "marque-app"):
            pod = named(objects, "Deployment", each)["spec"]["template"]["spec"]
            [path] = {mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"] if mount["name"] == "models"}
            assert path == repository
        said = (INFRA / "README.md").read_text() + (INFRA / "kind" / "up.sh").read_text()
        assert f"--volume marque-models:{repository}" in said


def test_kubeflow_is_the_version_of_its_client() -> None:
    versions = dict(line.split("=", 1) for line in (INFRA / "kind" / "versions.env").read_text().splitlines() if "=" in line[:20])
    assert versions["KFP_VERSION"] == kfp.__version__
    assert set(re.findall(r"\?ref=([\w.]+)", (INFRA / "README.md").read_text())) == {kfp.__version__}
    for name in ("NODE_IMAGE", "REGISTRY_IMAGE"):
        assert re.search(r"@sha256:[0-9a-f]{64}$", versions[name])


def test_kinds_ports_are_the_services(render: Callable[[str], Objects]) -> None:
    [node] = yaml.safe_load((INFRA / "kind" / "cluster.yaml").read_text())["nodes"]
    mapped = {each["hostPort"]: each["containerPort"] for each in node["extraPortMappings"]}
    service = named(render("kind"), "Service", "tf-serving")["spec"]
    assert mapped == {port["port"]: port["nodePort"] for port in service["ports"]}


def test_terraform_names_the_accounts_that_kubernetes_has(render: Callable[[str], Objects]) -> None:
    text = (INFRA / "terraform" / "access.tf").read_text()
    principals = re.findall(r"/ns/([\w-]+)/sa/([\w-]+)", text)
    accounts = {
        (each["metadata"]["namespace"], each["metadata"]["name"]) for each in render("gke") if each["kind"] == "ServiceAccount"
    }
    assert len(principals) == 2
    assert set(principals) <= accounts


def test_terraforms_variables_are_described_checked_and_supplied() -> None:
    text = (INFRA / "terraform" / "variables.tf").read_text()
    blocks = dict(re.findall(r'^variable "(\w+)" \{\n(.*?)^\}', text, re.MULTILINE | re.DOTALL))
    assert len(blocks) > 10
    for name, block in blocks.items():
        assert re.search(r'description = "\S', block), name
    required = {name for name, block in blocks.items() if "default " not in block}
    assert all("validation {" in blocks[name] for name in required)
    check = (INFRA / "settings" / "check.py").read_text()
    [needs] = [node.value for node in ast.parse(check).body if isinstance(node, ast.Assign) and node.targets[0].id == "NEEDS"]  # type: ignore[attr-defined]
    supplied = {key.value.lower() for key in needs.values[-1].keys}  # type: ignore[attr-defined]
    assert required == supplied
    example = (INFRA / "settings" / "settings.env.example").read_text()
    assert all(re.search(rf"^{name.upper()}=\S", example, re.MULTILINE) for name in required)


def test_whoever_trains_on_gpus_minds_no_taint_of_their_nodes() -> None:
    [own] = re.findall(r'taint \{\s+key\s+= "(\S+)"\s+value\s+= "(\S+)"', (INFRA / "terraform" / "cluster.tf").read_text())
    assert own == (SPOT, "true")
    runtime, _ = yaml.safe_load_all((INFRA / "kubernetes" / "trainjob.yaml").read_text())
    [job] = runtime["spec"]["template"]["spec"]["replicatedJobs"]
    minded = {each["key"]: each.get("value", "") for each in job["template"]["spec"]["template"]["spec"]["tolerations"]}
    assert minded == {GPU: "", SPOT: "true"}


def documents() -> Iterator[Path]:
    yield from (INFRA.rglob("*.yaml"))
    yield from (INFRA.rglob("*.sh"))


def test_files_that_are_named_are_there() -> None:
    made_by_users = ("infra/settings/settings.env", "infra/terraform/terraform.tfvars")
    for path in [INFRA / "README.md", *documents()]:
        for name in re.findall(r"\b(?:infra|tests)/[\w./-]+\w", path.read_text()):
            assert (ROOT / name).exists() or name in made_by_users, f"{path.name} names {name}"
