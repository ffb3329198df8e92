"""From a real server's request log, over gRPC and REST, to the verdict: what is measured is what was asked and answered."""

import base64
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import requests

from components.common.dataset import open_dataset
from components.common.evaluation import PUBLISHED
from components.common.fingerprint import fingerprint
from components.monitor.logs import Reading, read_log
from components.monitor.step import run
from components.monitor.verdict import Demands
from serving.client.client import Client
from serving.server.server import start

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served_version(toy_model: Path, toy_records: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy model exported, evaluated, and with its evaluation where deploy puts it."""
    from components.evaluate.step import run as evaluate
    from components.export.step import run as export

    folder = tmp_path_factory.mktemp("served")
    export(toy_model, folder / "models" / "marque" / "7")
    evaluate(folder / "models" / "marque" / "7", toy_records, folder / "evaluation")
    for name, place in PUBLISHED.items():
        target = folder / "models" / "marque" / "7" / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / "evaluation" / name, target)
    return folder / "models" / "marque" / "7"


def test_a_servers_log_is_read_as_it_was_asked(
    served_version: Path, toy_dataset: Path, toy_records: list[Path], tmp_path: Path
) -> None:
    logs = tmp_path / "logs"
    dataset = open_dataset(toy_dataset)
    photos = list(dataset.photos(dataset.annotations))
    server = start(
        served_version.parents[1], "marque", host="localhost", port=0, rest_port=0, log_requests=str(logs), log_share=1.0
    )
    try:
        with Client(f"localhost:{server.port}") as client:
            predictions = client.predict(photos[1:])
        body = {"instances": [{"jpeg": {"b64": base64.b64encode(photos[0]).decode()}}]}
        answer = requests.post(f"http://localhost:{server.rest_port}/v1/models/marque:predict", json=body, timeout=30).json()
    finally:
        server.stop(1)

    by_photo = {each.photo: each for each in read_log(str(logs), str(served_version), Reading())}
    assert set(by_photo) == set(photos)
    for photo, prediction in zip(photos[1:], predictions, strict=True):
        assert by_photo[photo].label == prediction.labels[0]
        assert by_photo[photo].box == pytest.approx(prediction.box, abs=1e-3)
    assert by_photo[photos[0]].label == answer["predictions"][0]["labels"][0]

    records = [str(folder) for folder in toy_records]
    result = run(str(logs), str(served_version), records, tmp_path / "out", demands=Demands(min_photos=20))
    assert (result["photos"], result["left_out"], result["damaged"]) == (36, {}, [])
    looks = {test["name"]: test for test in result["tests"]}
    assert looks["brightness"]["photos"] == {"reference": 26, "recent": 36}
    assert looks["brightness"]["level"] == looks["sharpness"]["level"] == "none"


def test_a_batch_of_this_model_is_taken_for_one(served_version: Path, toy_dataset: Path, tmp_path: Path) -> None:
    from components.predict import collect
    from components.predict.listing import write_listing
    from components.predict.step import run as predict

    dataset = open_dataset(toy_dataset)
    (tmp_path / "photos").mkdir()
    for number, photo in enumerate(dataset.photos(dataset.split("test"))):
        (tmp_path / "photos" / f"{number}.jpg").write_bytes(photo)
    write_listing(str(tmp_path / "photos"), tmp_path / "listing")
    report = predict(tmp_path / "listing", str(served_version), str(tmp_path / "batch"))
    collect.run(tmp_path / "listing", str(served_version), str(tmp_path / "batch"), [report])
    assert report["model"] == fingerprint(served_version, without=PUBLISHED.values())
    table = tmp_path / "batch" / "predictions.parquet"
    result = run(str(table), str(served_version), [], tmp_path / "out", demands=Demands(min_photos=5))
    evaluated = pq.read_table(served_version / PUBLISHED["predictions.parquet"])
    sizes = {test["name"]: test["quantiles"] for test in result["tests"] if "quantiles" in test}["box size"]
    assert result["photos"] == len(evaluated) == 6
    np.testing.assert_allclose(sizes["reference"], sizes["recent"], atol=1e-4)  # the test photos, asked again
