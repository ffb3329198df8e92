"""Malformed requests never end the server, nor fill its memory, and each is answered with an error of the client's.

Every request is made from a seed and its number, so one that fails can be made again.
"""

import base64
import json
import random
import re
import socket
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import grpc
import pytest
import tensorflow as tf
from google.protobuf.message import Message
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest
from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse
from tensorflow_serving.apis.regression_pb2 import RegressionRequest

MakePhoto = Callable[..., bytes]
StartProcess = Callable[..., tuple["subprocess.Popen[str]", str]]
SEED = 20
WORKERS = 4
WARM_UP = 200
TIMEOUT_S = 60.0
MAX_GROWTH_BYTES = 100 << 20
OTHER_METHODS: dict[str, Callable[[], Message]] = {
    "PredictionService/Classify": ClassificationRequest,
    "PredictionService/Regress": RegressionRequest,
    "PredictionService/MultiInference": MultiInferenceRequest,
    "PredictionService/GetModelMetadata": GetModelMetadataRequest,
    "ModelService/GetModelStatus": GetModelStatusRequest,
}
# INTERNAL would be a defect of the server, UNAVAILABLE its end, UNKNOWN an exception: gRPC's own where the bytes are no message.
ANSWERS = {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "RESOURCE_EXHAUSTED", "UNIMPLEMENTED"}
NO_MESSAGE = "Error parsing message"
HTTP_ANSWERS = {200, 400, 404, 405, 413, 429, 431, 501}
PATHS = [
    "/",
    "//",
    "/v1/models",
    "/v1/models/marque:PREDICT",
    "/v1/models/marque:classify",
    "/v1/models/marque?x=%ff",
    "/v1/models/%00:predict",
    "/v1/models/%F0%9F:classify",
    "/v1/models/..%2f..:regress",
    "/v1/models/marque/labels/a%0Ab:predict",
    "/v1/models/marque/versions/99999999999999999999:predict",
    "/v1/models/marque/versions/" + "9" * 6000 + ":predict",
    "/v1/models/" + "a" * 30_000,
    "/monitoring/prometheus/metrics?%0a",
]
HEAD = b"POST /v1/models/marque:predict HTTP/1.1\r\nHost: x\r\n"
STREAMS = [
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(range(256)),
    b"\x16\x03\x01\x02\x00\x01\x00",
    HEAD + b"Content-Length: 1000\r\n\r\nhalf",
    HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
    HEAD + b"Content-Length: -1\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx",
    HEAD + b"X: " + b"a" * 200_000,
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET\r\n\r\n",
    b"\n" * 1000,
]


@dataclass(frozen=True)
class Target:
    process: "subprocess.Popen[str]"
    address: str
    rest_address: str

    def memory_bytes(self, field: str) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE)
        assert found
        return int(found[1]) * 1024


def good_request(photo: bytes) -> PredictRequest:
    request = PredictRequest()
    request.model_spec.name = "marque"
    request.inputs["jpeg"].CopyFrom(tf.make_tensor_proto([photo]))
    return request


def mutated(chance: random.Random, content: bytes) -> bytes:
    """Bytes changed, cut out, doubled, put in or cut off."""
    data = bytearray(content)
    for _ in range(chance.randint(1, 6)):
        start = chance.randrange(len(data) + 1)
        end = min(len(data), start + chance.randint(1, 40))
        kind = chance.randrange(6)
        if kind == 0:
            data[start:end] = chance.randbytes(end - start)
        elif kind == 1:
            del data[start:end]
        elif kind == 2:
            data[start:start] = data[start:end]
        elif kind == 3:
            data[start:start] = chance.randbytes(chance.randint(1, 20))
        elif kind == 4:
            data[start:end] = bytes([chance.choice([0, 1, 0x7F, 0x80, 0xFF])]) * (end - start)
        else:
            del data[start:]
    return bytes(data)


def strange_tensor(chance: random.Random, request: PredictRequest) -> None:
    tensor = request.inputs["jpeg"]
    kind = chance.randrange(9)
    if kind == 0:
        tensor.tensor_shape.dim[0].size = chance.choice([-1, -(1 << 63), 0, 2, 1 << 24, 1 << 31, 1 << 40, (1 << 63) - 1])
    elif kind == 1:
        del tensor.tensor_shape.dim[:]
        for _ in range(chance.choice([0, 2, 3, 255, 1000])):
            tensor.tensor_shape.dim.add(size=chance.choice([0, 1, 1 << 20]))
    elif kind == 2:
        tensor.dtype = chance.choice([*types_pb2.DataType.values(), 9999, -1])
    elif kind == 3:
        tensor.tensor_content = chance.randbytes(chance.randint(0, 500))
    elif kind == 4:
        tensor.tensor_shape.unknown_rank = True
    elif kind == 5:
        del tensor.string_val[:]
        tensor.string_val.extend(chance.randbytes(chance.randint(0, 20)) for _ in range(chance.randint(0, 50)))
        tensor.tensor_shape.dim[0].size = chance.randint(0, 50)
    elif kind == 6:
        request.inputs[chance.choice(["", "jpg", "ÿ", "x" * 10_000])].CopyFrom(tensor)
    elif kind == 7:
        tensor.float_val.extend([chance.random()] * chance.randint(1, 1000))
        tensor.dtype = types_pb2.DT_FLOAT
    else:
        tensor.dtype = types_pb2.DT_VARIANT
        tensor.variant_val.add(type_name="x" * 100, metadata=b"\xff").tensors.add(dtype=types_pb2.DT_RESOURCE)


def strange_spec(chance: random.Random, spec: ModelSpec) -> None:
    spec.name = chance.choice(["", "marque", "other", "../marque", "m" * 5000, "\0", "marque/2"])
    spec.signature_name = chance.choice(["", "train", "serving_default", "\n" * 100])
    spec.version.value = chance.choice([-1, 0, 2, 3, (1 << 63) - 1])
    if chance.random() < 0.3:
        spec.version_label = chance.choice(["", "stable", "x" * 1000])


def predict_bytes(chance: random.Random, photo: bytes) -> bytes:
    request = good_request(photo)
    kind = chance.randrange(6)
    if kind == 0:
        return mutated(chance, request.SerializeToString())
    if kind < 3:
        strange_tensor(chance, request)
    elif kind < 5:
        request.inputs["jpeg"].string_val[0] = mutated(chance, photo)
    else:
        strange_spec(chance, request.model_spec)
        request.output_filter.extend(chance.choices(["boxes", "labels", "", "no"], k=chance.randint(0, 3)))
    return request.SerializeToString()


def other_bytes(chance: random.Random, request: Message) -> bytes:
    """A request of another method: strange, or mutated, or no message at all."""
    spec = request.tasks.add().model_spec if isinstance(request, MultiInferenceRequest) else request.model_spec
    spec.name = "marque"
    strange_spec(chance, spec)
    if isinstance(request, GetModelMetadataRequest):
        request.metadata_field.extend(chance.choices(["signature_def", "", "weights"], k=chance.randint(0, 3)))
    elif not isinstance(request, GetModelStatusRequest):
        example = request.input.example_list.examples.add()
        example.features.feature["x"].bytes_list.value.append(chance.randbytes(20))
    kind = chance.randrange(4)
    if kind == 0:
        return chance.randbytes(chance.randint(0, 300))
    return mutated(chance, request.SerializeToString()) if kind == 1 else request.SerializeToString()


def ask_grpc(target: Target, channel: grpc.Channel, chance: random.Random, photo: bytes) -> str:
    method, kind = "PredictionService/Predict", None
    if chance.random() < 0.25:
        method, kind = chance.choice(list(OTHER_METHODS.items()))
    request = other_bytes(chance, kind()) if kind else predict_bytes(chance, photo)
    call = channel.unary_unary(f"/tensorflow.serving.{method}")
    code, details = "OK", ""
    try:
        call(request, timeout=TIMEOUT_S)
    except grpc.RpcError as error:
        code, details = error.code().name, error.details() or ""
    assert code in ANSWERS or NO_MESSAGE in details, (method, code, details)
    return code


def rest_body(chance: random.Random, photo: bytes) -> bytes:
    good = json.dumps({"instances": [{"b64": base64.b64encode(photo).decode()}]}).encode()
    kind = chance.randrange(6)
    if kind == 0:
        return mutated(chance, good)
    if kind == 1:
        return chance.randbytes(chance.randint(0, 300))
    if kind == 2:
        opening = chance.choice(["[", '{"a":', '{"instances":', '[{"b64":'])
        return (opening * chance.choice([10, 900, 20_000])).encode()
    if kind == 3:
        document: object = chance.choice([None, 1e999, -0.0, 10**400, "\ud800", True, {"b64": 3}, {"b64": "!"}, [], {}, "é"])
        for _ in range(chance.randint(0, 4)):
            document = chance.choice([[document], [document, document], {"jpeg": document}, {"b64": document}, [document, 1]])
        key = chance.choice(["instances", "inputs", "signature_name", "examples", "context", ""])
        return json.dumps(
            {key: document, "signature_name": chance.choice(["", "x", 5])} if chance.random() < 0.3 else {key: document}
        ).encode()
    if kind == 4:
        return json.dumps({"instances": [{"b64": base64.b64encode(mutated(chance, photo)).decode()}]}).encode()
    return json.dumps({"inputs": {"jpeg": [[chance.random()] * 50] * 50}}).encode()


def ask_rest(target: Target, connection: HTTPConnection, chance: random.Random, photo: bytes) -> str:
    path = "/v1/models/marque:predict"
    if chance.random() < 0.3:
        path = chance.choice(PATHS)
    method = chance.choices(["POST", "GET", "PUT", "DELETE", "BREW"], weights=[12, 2, 1, 1, 1])[0]
    headers = chance.choice(
        [{}, {"Content-Encoding": "gzip"}, {"Content-Type": "\t;"}, {"X": "y" * 20_000}, {"Expect": "100-continue"}]
    )
    connection.request(method, path, rest_body(chance, photo), headers)
    response = connection.getresponse()
    response.read()
    assert response.status in HTTP_ANSWERS, (method, path[:100], response.status)
    return f"HTTP {response.status}"


def ask_socket(target: Target, chance: random.Random) -> str:
    """Bytes that are no HTTP, to either port, and a connection that breaks off."""
    address = chance.choice([target.address, target.rest_address])
    host, port = address.rsplit(":", 1)
    sent = chance.choice([chance.randbytes(200), *STREAMS])
    with socket.create_connection((host, int(port)), timeout=TIMEOUT_S) as connection:
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
        except TimeoutError:
            raise
        except OSError:
            return "socket, reset"
    return "socket"


def ask_share(target: Target, photo: bytes, numbers: range) -> "Counter[str]":
    said: Counter[str] = Counter()
    host, port = target.rest_address.rsplit(":", 1)
    with grpc.insecure_channel(target.address) as channel:
        for number in numbers:
            chance = random.Random(f"{SEED} {number}")
            share = chance.random()
            if share < 0.8:
                said[ask_grpc(target, channel, chance, photo)] += 1
            elif share < 0.95:
                connection = HTTPConnection(host, int(port), timeout=TIMEOUT_S)
                try:
                    said[ask_rest(target, connection, chance, photo)] += 1
                except (HTTPException, ConnectionError):
                    # uvicorn answers what is no HTTP, and closes.
                    said["HTTP, closed"] += 1
                finally:
                    connection.close()
            else:
                said[ask_socket(target, chance)] += 1
    return said


def fuzz(target: Target, photo: bytes, numbers: range) -> "Counter[str]":
    shares = [numbers[start::WORKERS] for start in range(WORKERS)]
    with ThreadPoolExecutor(WORKERS) as pool:
        return sum(pool.map(lambda share: ask_share(target, photo, share), shares), Counter())


def check_alive(target: Target, photo: bytes) -> None:
    assert target.process.poll() is None
    with grpc.insecure_channel(target.address) as channel:
        call = channel.unary_unary(
            "/tensorflow.serving.PredictionService/Predict",
            request_serializer=PredictRequest.SerializeToString,
            response_deserializer=PredictResponse.FromString,
        )
        answer = call(good_request(photo), timeout=TIMEOUT_S)
    assert answer.outputs["labels"].string_val[0] == b"red car"
    connection = HTTPConnection(target.rest_address, timeout=TIMEOUT_S)
    connection.request("POST", "/v1/models/marque:predict", json.dumps({"instances": [{"b64": base64.b64encode(photo).decode()}]}))
    assert json.loads(connection.getresponse().read())["predictions"][0]["labels"][0] == "red car"
    connection.close()


@pytest.fixture(scope="module")
def target(repository: Path, start_process: StartProcess, tmp_path_factory: pytest.TempPathFactory) -> Target:
    """A server in a process of its own; what it writes is read all the while, so that it never waits for a reader."""
    ports = tmp_path_factory.mktemp("ports")
    options = ["--rest-port", "0", "--rest-port-file", str(ports / "rest")]
    process, address = start_process(repository, ports / "grpc", *options)
    for stream in (process.stdout, process.stderr):
        threading.Thread(target=lambda lines=stream: deque(lines, maxlen=0), daemon=True).start()
    wait_for_file(ports / "rest")
    return Target(process, address, f"localhost:{(ports / 'rest').read_text().strip()}")


def wait_for_file(path: Path) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def check(target: Target, photo: bytes, count: int) -> None:
    fuzz(target, photo, range(-WARM_UP, 0))
    before = target.memory_bytes("VmRSS")
    said = fuzz(target, photo, range(count))
    after, peak = target.memory_bytes("VmRSS"), target.memory_bytes("VmHWM")
    sys.stdout.write(f"{before >> 20} MB before, {after >> 20} after, {peak >> 20} at most; {sorted(said.items())}\n")
    check_alive(target, photo)
    assert said.total() == count
    assert len(said) >= 8
    assert after - before < MAX_GROWTH_BYTES
    assert peak - before < 3 * MAX_GROWTH_BYTES


@pytest.mark.slow
def test_500_malformed_requests(target: Target, photo: MakePhoto) -> None:
    check(target, photo("red"), 500)


@pytest.mark.slow
def test_10000_malformed_requests(target: Target, photo: MakePhoto) -> None:
    check(target, photo("red"), 10_000)
