"""Clients that others wrote, unchanged, against the embedded server: curl, tensorflow-serving-api's stubs, ovmsclient."""

import base64
import gzip
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

MakePhoto = Callable[..., bytes]
LOCK = Path(__file__).with_name("ovmsclient.lock")
BUILD = Path(__file__).parents[3] / "build"
TIMEOUT_S = 240

STUBS = """
import sys
import grpc
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc
from tensorflow.core.framework import tensor_pb2, types_pb2

address, photo = sys.argv[1:]
request = predict_pb2.PredictRequest()
request.model_spec.name = "marque"
tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=[open(photo, "rb").read()])
tensor.tensor_shape.dim.add(size=1)
request.inputs["jpeg"].CopyFrom(tensor)
with grpc.insecure_channel(address) as channel:
    response = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=60)
print(response.outputs["labels"].string_val[0].decode(), response.model_spec.version.value)
"""

OVMSCLIENT = """
import json, sys
import ovmsclient

grpc_address, rest_address, path = sys.argv[1:]
photo = open(path, "rb").read()
said = {}
for make, address in ((ovmsclient.make_grpc_client, grpc_address), (ovmsclient.make_http_client, rest_address)):
    client = make(address)
    outputs = client.predict({"jpeg": photo}, "marque", 2)
    said[make.__name__] = {
        "status": client.get_model_status("marque", 2),
        "metadata": client.get_model_metadata("marque", 2),
        "label": outputs["labels"].astype(str).tolist()[0][0],
        "shapes": {name: list(values.shape) for name, values in outputs.items()},
    }
    try:
        client.predict({"jpeg": photo}, "other", 2)
    except ovmsclient.tfs_compat.base.errors.ModelNotFoundError as error:
        said[make.__name__]["error"] = str(error)
print(json.dumps(said))
"""


def curl(*arguments: str) -> str:
    if not shutil.which("curl"):
        pytest.skip("curl is not on this machine (Debian: apt-get install curl)")
    command = ["curl", "--silent", "--show-error", "--max-time", "60", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=TIMEOUT_S).stdout


def test_curl_asks_for_the_status(rest_address: str) -> None:
    assert json.loads(curl(f"http://{rest_address}/v1/models/marque")) == {
        "model_version_status": [{"version": "2", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}]
    }


def test_curl_posts_photos(rest_address: str, photo: MakePhoto, tmp_path: Path) -> None:
    photos = [{"b64": base64.b64encode(photo(colour)).decode()} for colour in ("red", "blue")]
    address = f"http://{rest_address}/v1/models/marque:predict"
    rows = tmp_path / "rows.json"
    rows.write_text(json.dumps({"instances": photos}))
    answer = json.loads(curl("--data", f"@{rows}", "--request", "POST", address))
    assert [row["labels"][0] for row in answer["predictions"]] == ["red car", "blue car"]
    columns = tmp_path / "columns.json.gz"
    columns.write_bytes(gzip.compress(json.dumps({"inputs": {"jpeg": photos}}).encode()))
    answer = json.loads(curl("--data-binary", f"@{columns}", "--header", "Content-Encoding: gzip", address))
    assert [row[0] for row in answer["outputs"]["labels"]] == ["red car", "blue car"]


def test_curl_asks_an_unknown_model(rest_address: str) -> None:
    said = curl("--include", "--data", '{"instances": [1.0, 5.0]}', f"http://{rest_address}/v1/models/half:predict")
    head, _, body = said.replace("\r", "").partition("\n\n")
    assert head.startswith("HTTP/1.1 404 Not Found\n")
    assert "content-type: application/json" in head.lower()
    assert json.loads(body) == {"error": "Servable not found for request: Latest(half)"}


@pytest.mark.slow
def test_plain_stubs_in_a_process_of_their_own(address: str, photo: MakePhoto, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(photo("green"))
    command = [sys.executable, "-c", STUBS, address, str(path)]
    assert subprocess.run(command, capture_output=True, text=True, check=True, timeout=TIMEOUT_S).stdout == "green car 2\n"


@pytest.fixture(scope="module")
def ovmsclient_python() -> Path:
    """A Python with ovmsclient and what it needs, nothing of ours: its messages and TensorFlow's do not go together."""
    name = f"ovmsclient-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]}-{sys.version_info.major}.{sys.version_info.minor}"
    folder = BUILD / name
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True, timeout=TIMEOUT_S)
        install = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--requirement", str(LOCK)]
        installed = subprocess.run(install, capture_output=True, text=True, timeout=TIMEOUT_S)
        if installed.returncode:
            if "No matching distribution found" in installed.stderr or "ConnectionError" in installed.stderr:
                pytest.skip("no package index can be reached, and ovmsclient is not installed yet")
            raise AssertionError(installed.stderr)
        (folder / "installed").touch()
    return python


@pytest.mark.slow
def test_ovmsclient_over_grpc_and_http(
    ovmsclient_python: Path, address: str, rest_address: str, photo: MakePhoto, tmp_path: Path
) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(photo("blue"))
    command = [str(ovmsclient_python), "-c", OVMSCLIENT, address, rest_address, str(path)]
    said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=TIMEOUT_S).stdout)
    for client in ("make_grpc_client", "make_http_client"):
        assert said[client]["label"] == "blue car"
        assert said[client]["shapes"] == {"labels": [1, 3], "scores": [1, 3], "boxes": [1, 4]}
        assert said[client]["status"] == {"2": {"state": "AVAILABLE", "error_code": 0, "error_message": ""}}
        assert said[client]["error"].endswith("Servable not found for request: Specific(other, 2)")
    by_grpc, by_http = (said[client]["metadata"] for client in ("make_grpc_client", "make_http_client"))
    assert by_grpc["model_version"] == 2
    assert by_grpc["inputs"] == {"jpeg": {"shape": [-1], "dtype": "DT_STRING"}}
    # Of TF Serving's metadata over HTTP ovmsclient gives what it got.
    assert by_http["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"]["jpeg"]["dtype"] == "DT_STRING"
