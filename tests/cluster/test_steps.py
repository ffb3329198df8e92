"""Each component as a Kubernetes Job: its image, hardened, with a claim for what goes from step to step."""

import json

import pytest

from .conftest import Cluster, image
from .manifests import job

RECORDS = "/work/records"
EVALUATE = ["--saved-model", "/work/saved_model", "--records", RECORDS, "--output", "/work/evaluation", "--set", "min_top1=0"]
EXPORT = "from pathlib import Path; from components.export.step import run; run(Path('/work/model'), Path('/work/saved_model'))"
DEPLOY = """
from pathlib import Path
from components.deploy.publish import publish
print(publish(Path('/work/saved_model'), '/work/models', 'marque').uri)
"""
SMOKE = ["--preset", "smoke"]


def test_components_as_jobs(cluster: Cluster, space: str) -> None:
    def step(name: str, of: str, *command: str, memory: str = "4Gi") -> str:
        return cluster.finish(job(name, space, image(of), command, volumes={"/work": "work"}, memory=memory))

    step("ingest", "data", "python3", "-m", "components.ingest", "run", "toy://?classes=3&per_class=12&seed=1", "/work/dataset")
    step("shard", "data", "python3", "-m", "components.shard", "/work/dataset", RECORDS)
    step("train", "trainer", "python3", "-m", "components.train", "run", "--records", RECORDS, "--output", "/work/model", *SMOKE)
    step("export", "trainer", "python3", "-c", EXPORT)
    step("evaluate", "trainer", "python3", "-m", "components.evaluate", "run", *EVALUATE)
    assert "/work/models/marque/1" in step("deploy", "trainer", "python3", "-c", DEPLOY)
    found = step("look", "client", "python3", "-c", "print(open('/work/evaluation/metrics.json').read())")
    assert 0 <= json.loads(found)["top1"] <= 1


def test_a_step_that_fails_says_why_in_one_line(cluster: Cluster, space: str) -> None:
    mistake = job("mistake", space, image("data"), ["python3", "-m", "components.ingest", "run", "/nowhere", "/tmp/out"])
    with pytest.raises(AssertionError, match="mistake failed:\nmarque: error: .*/nowhere"):
        cluster.finish(mistake)
